"""An Airflow's metadata database at 127.0.0.1:5432, until it is killed: `python -m tests.documents.airflow`."""

import asyncio
import shlex
from pathlib import Path

import asyncpg

from server.standalone.postgres import EmbeddedPostgres
from tests.airflow.schemas import add_dag, copy_dag, make_schema

RELEASE = "1.10.15"


async def main() -> None:
    """Serve it, and say in /tmp/airflow.env how its administrator reaches it."""
    folder = Path("/tmp/airflow-database")  # noqa: S108 - in a place that is thrown away
    folder.mkdir()
    server = EmbeddedPostgres(folder, settings={"listen_addresses": "127.0.0.1"})
    await server.start()
    conn = await asyncpg.connect(server.dsn)
    await conn.execute("CREATE DATABASE airflow")
    await conn.close()
    dsn = server.dsn_of("airflow")
    await make_schema(dsn, RELEASE)
    await add_dag(dsn, RELEASE)
    await copy_dag(dsn, "my_dag")
    await _make_room_for_windsock(server.dsn)
    socket = shlex.quote(str((folder / "socket").readlink()))
    Path("/tmp/airflow.env").write_text(f"export PGHOST={socket} PGUSER=administrator\n")  # noqa: S108 - likewise
    await asyncio.Event().wait()


async def _make_room_for_windsock(dsn: str) -> None:
    """The role that the page creates has the name of the embedded Postgres' own superuser."""
    conn = await asyncpg.connect(dsn)
    await conn.execute("CREATE ROLE administrator SUPERUSER LOGIN")
    await conn.close()
    conn = await asyncpg.connect(dsn, user="administrator")
    await conn.execute("ALTER ROLE windsock RENAME TO of_the_cluster")
    await conn.close()


if __name__ == "__main__":
    asyncio.run(main())
