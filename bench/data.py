"""The fixed data set, and removing what the load adds to it."""

from dataclasses import dataclass
from importlib import resources

import asyncpg

from server.database import statements
from server.database.schema import initdb
from server.standalone.postgres import EmbeddedPostgres
from windsock.config import Dsn

_SQL = statements.parse(resources.files("bench").joinpath("data.sql").read_text("utf-8"))
_TIMEOUT = 600.0


@dataclass(frozen=True)
class DataSet:
    """A database of `dags` DAGs that have `runs` runs together."""

    name: str
    dags: int
    runs: int

    def dag_id(self, number: int) -> str:
        """Id of a DAG; 0 is the one with 100 runs."""
        return f"bench_{number:04}"


MAIN = DataSet("bench", 100, 100_000)
SCALE = DataSet("bench_scale", 1_000, 1_000_000)


async def load(postgres: EmbeddedPostgres, data: DataSet) -> str:
    """Make the database of the data set anew; its DSN."""
    server = await asyncpg.connect(postgres.dsn)
    await server.execute(f"DROP DATABASE IF EXISTS {data.name} WITH (FORCE)")
    await server.execute(f"CREATE DATABASE {data.name}")
    await server.close()
    dsn = postgres.dsn_of(data.name)
    await initdb(Dsn.parse(dsn))
    connection = await asyncpg.connect(dsn, command_timeout=_TIMEOUT)
    await connection.execute(_SQL["dags"], data.dags)
    for name in ("serialized", "code", "scheduler", "pools"):
        await connection.execute(_SQL[name])
    await connection.execute(_SQL["runs"], data.dags, data.runs)
    await connection.execute(_SQL["task_instances"])
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    return dsn


async def tidy(dsn: str) -> None:
    """Remove the runs that a round of triggers made, so that every round starts from the same table."""
    connection = await asyncpg.connect(dsn, command_timeout=_TIMEOUT)
    await connection.execute(_SQL["forget_triggered"])
    await connection.execute("VACUUM ANALYZE dag_run")
    await connection.execute("CHECKPOINT")
    await connection.close()
