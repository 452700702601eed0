"""A real service over a Postgres of its own, which a test may break."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from server.database.schema import initdb
from server.standalone.postgres import EmbeddedPostgres
from tests.acceptance.service import Service
from tests.ways import WAYS
from windsock.config import Dsn

SETTINGS = {"max_connections": "30", "shared_buffers": "16MB"}
OPTIONS: dict[str, Any] = {
    "acquire_timeout": "1",
    "statement_timeout": "2",
    "body_timeout": "1",
    "write_timeout": "2",
    "keepalive_timeout": "3",
    "pool_max_size": "4",
}
DAG = "INSERT INTO dag (dag_id, is_active, is_paused, is_subdag) VALUES ('d', true, false, false)"


class Victim:
    """The service, its Postgres, and what it answered."""

    def __init__(self, service: Service, postgres: EmbeddedPostgres) -> None:
        self.service = service
        self.postgres = postgres
        self.answered: set[str] = set()
        self._dates = itertools.count()

    async def trigger(self, session: aiohttp.ClientSession, run_id: str) -> int:
        """Trigger a run; 0 when the connection broke. What was answered with 200 is remembered."""
        # Two triggers of one microsecond would be told that they collide.
        date = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=next(self._dates))
        body = {"run_id": run_id, "execution_date": date.isoformat()}
        try:
            url = f"{self.service.url}/dags/d/dag_runs"
            async with session.post(url, json=body) as response:
                await response.read()
        except aiohttp.ClientConnectionError:
            return 0
        if response.status == 200:
            self.answered.add(run_id)
        return response.status

    async def flood(self, stop: asyncio.Event, clients: int = 8) -> dict[int, int]:
        """Trigger from several clients until told to stop; how often each status came."""
        seen: dict[int, int] = {}

        async def client(name: int) -> None:
            number = 0
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(30)) as session:
                while not stop.is_set():
                    number += 1
                    status = await self.trigger(session, f"{name}-{len(self.answered)}-{number}")
                    seen[status] = seen.get(status, 0) + 1
                    # Where requests fail at once, a loop without a pause would take the machine for itself.
                    await asyncio.sleep(0 if status == 200 else 0.02)

        await asyncio.gather(*(client(name) for name in range(clients)))
        return seen

    async def get(self, path: str = "/dags/d/dag_runs", timeout: float = 30) -> tuple[int, Any]:
        """Status and JSON of a GET."""
        return await asyncio.to_thread(self.service.request, f"/api/experimental{path}", None, None, timeout)

    async def recovers(self) -> None:
        """Wait until triggers work again, and check that nothing answered was lost, nor anything done twice.

        Nor has anything come as a surprise: a log of a fault has no traceback.
        """
        async with asyncio.timeout(30), aiohttp.ClientSession() as session:
            number = 0
            while await self.trigger(session, f"after-{number}-{len(self.answered)}") != 200:
                number += 1
                await asyncio.sleep(0.1)
        conn = await asyncpg.connect(self.postgres.dsn)
        stored = [row[0] for row in await conn.fetch("SELECT run_id FROM dag_run")]
        await conn.close()
        assert self.answered <= set(stored)
        assert len(stored) == len(set(stored))
        assert self.service.process.poll() is None
        assert "Traceback" not in self.service.log
        # The database may be reached through this very loop.
        assert (await asyncio.to_thread(self.service.admin, "/ready"))[0] == 200


@asynccontextmanager
async def a_victim(
    folder: Path,
    *,
    settings: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    fast_path: str = "True",
) -> AsyncIterator[Victim]:
    """Start both; `settings` are more of Postgres', `env` is the service's."""
    data_dir = folder / "pg"
    data_dir.mkdir(exist_ok=True)
    server = EmbeddedPostgres(data_dir, settings={**SETTINGS, **(settings or {})})
    await server.start()
    try:
        await initdb(Dsn.parse(server.dsn))
        conn = await asyncpg.connect(server.dsn)
        await conn.execute(DAG)
        await conn.close()
        with Service(server.dsn, folder, workers="2", env=env, fast_path=fast_path, **OPTIONS) as service:
            yield Victim(service, server)
    finally:
        await server.stop()


@pytest.fixture
async def victim(tmp_path: Path, fast_path: str) -> AsyncIterator[Victim]:
    """Start both anew: what one test breaks is no other's business."""
    async with a_victim(tmp_path, fast_path=fast_path) as one:
        yield one


@pytest.fixture(scope="session", params=[*WAYS.values()], ids=[*WAYS])
def shared_victim(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """Start both once, for tests that break nothing."""
    with asyncio.Runner() as runner:
        context = a_victim(tmp_path_factory.mktemp("shared"), fast_path=request.param)
        yield runner.run(context.__aenter__())
        runner.run(context.__aexit__(None, None, None))
