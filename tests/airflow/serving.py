"""What tests without an Airflow need to serve a database that one of its releases made."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from tests.airflow.schemas import add_dag, make_schema
from tests.live import live_server

GRANTS = Path(__file__).parents[2] / "deploy" / "grants.sql"


class Api:
    """Calls one server."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.session = session
        self.warning: str | None = None

    async def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON."""
        async with self.session.request(method, f"{self.url}/api/experimental{path}", json=body) as answer:
            self.warning = answer.headers.get("X-Windsock-Warning")
            return answer.status, await answer.json(content_type=None)

    async def trigger(self, **body: object) -> tuple[int, Any]:
        """Trigger the DAG `d`."""
        return await self.call("POST", "/dags/d/dag_runs", body)


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect for the length of a block."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def prepare(dsn: str, release: str, role: str, *, compressed: bool = False) -> str:
    """Make a database of that release, with the DAG and the grants; the role's DSN."""
    await make_schema(dsn, release)
    await add_dag(dsn, release, compressed=compressed)
    conn = await asyncpg.connect(dsn)
    await conn.execute(f"SET windsock.role = '{role}'; {GRANTS.read_text('utf-8')}")
    await conn.close()
    return dsn.replace("//windsock@", f"//{role}@")


@asynccontextmanager
async def served(dsn: str, admin: str) -> AsyncIterator[tuple[Api, asyncpg.Connection]]:
    """Serve a database of `prepare`; the connection to it has all rights."""
    async with live_server(dsn) as url, aiohttp.ClientSession() as session, connected(admin) as connection:
        yield Api(url, session), connection
