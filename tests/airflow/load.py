"""Callers that go on while something happens to the database, and what they were told."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import asyncpg

_CALLERS = 8
_EPOCH = datetime(2021, 6, 1, tzinfo=UTC)
_READS = (
    "/pools", "/pools/default_pool", "/latest_runs", "/dags", "/dags/d/paused", "/dags/d/tasks", "/dags/d/tasks/t",
    "/dags/d/code", "/dags/d/dag_runs?limit=3", "/dags/d/dag_runs/2021-06-01T00:00:00",
    "/dags/d/dag_runs/2021-06-01T00:00:00/tasks/t",
)  # fmt: skip
_numbers = itertools.count()


class Load:
    """Callers of the API at `url`: they trigger the DAG `d`, and ask for everything that there is of it."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session
        self.statuses: Counter[int] = Counter()
        self.stored: list[str] = []
        self.wrong: list[tuple[Any, ...]] = []

    async def trigger(self) -> int:
        """Trigger a run of its own date; the status."""
        number = next(_numbers)
        date = _EPOCH + timedelta(minutes=number)
        run_id = f"load_{number}"
        body = {"run_id": run_id, "execution_date": date.isoformat(), "conf": {"n": 1}}
        status = await self.call("POST", "/dags/d/dag_runs", body)
        if status == 200:
            self.stored.append(run_id)
        return status

    async def call(self, method: str, path: str, body: object = None) -> int:
        """Ask, and note what no caller should be told: the status."""
        async with self._session.request(method, f"{self._url}/api/experimental{path}", json=body) as answer:
            text = await answer.text()
            self.statuses[answer.status] += 1
            refused = answer.status == 503 and int(answer.headers.get("Retry-After", "0")) > 0
            # A new release has not serialized the DAG before it has parsed its file: as Airflow answers then.
            missing = answer.status in {400, 404} and "not found" in text
            if not (refused or missing or answer.status == 200):
                self.wrong.append((method, path, answer.status, text[:300]))
            return answer.status

    async def trigger_in_turn(self, pause: float) -> None:
        """Go on for ever, with triggers."""
        while True:
            await self.trigger()
            await asyncio.sleep(pause)

    async def read_in_turn(self, pause: float) -> None:
        """Go on for ever, with everything else."""
        for path in itertools.cycle(_READS):
            await self.call("GET", path)
            await asyncio.sleep(pause)

    async def health(self) -> str:
        """What `/health` says of the database."""
        async with self._session.get(f"{self._url}/health") as answer:
            status: str = (await answer.json())["metadatabase"]["status"]
            return status


@asynccontextmanager
async def loaded(url: str, *, callers: int = _CALLERS, pause: float = 0) -> AsyncIterator[Load]:
    """Keep callers busy while the block runs, each with a pause after a call; a wrong answer fails it."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        load = Load(url, session)
        tasks = [asyncio.create_task(load.trigger_in_turn(pause)) for _ in range(callers)]
        tasks += [asyncio.create_task(load.read_in_turn(pause)) for _ in range(max(1, callers // 2))]
        try:
            yield load
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        ended = [result for result in results if not isinstance(result, asyncio.CancelledError)]
        assert (load.wrong, ended) == ([], []), (load.wrong[:5], ended)


async def until_served(load: Load, seconds: float = 60) -> None:
    """Wait until a trigger is stored and the service calls itself healthy."""
    async with asyncio.timeout(seconds):
        while await load.health() != "healthy" or await load.trigger() != 200:
            await asyncio.sleep(0.1)


async def until_refused(load: Load, seconds: float = 60) -> None:
    """Wait until the service calls itself unhealthy, and triggers are refused."""
    async with asyncio.timeout(seconds):
        while await load.health() != "unhealthy" or await load.trigger() != 503:
            await asyncio.sleep(0.05)


async def lost(connection: asyncpg.Connection, run_ids: list[str]) -> set[str]:
    """Those of the runs that are not in the database."""
    return set(run_ids) - {row[0] for row in await connection.fetch("SELECT run_id FROM dag_run")}
