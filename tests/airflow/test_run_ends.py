"""`[windsock] on_run_end_url` beside an Airflow: its runs are told of, and nothing is left in its database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from server.webhooks import teller
from tests.airflow.schemas import RELEASES, insert_runs
from tests.airflow.serving import connected, prepare
from tests.live import live_server
from tests.receiver import SECRET, Receiver, receiving
from tests.until import until

# The last release of each generation.
CHOSEN = sorted({name.partition(".")[0]: name for name in RELEASES}.values())
END = "UPDATE dag_run SET state = $2, end_date = now() WHERE run_id = $1"
TABLES = "SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"


async def add(connection: asyncpg.Connection, *names: str) -> None:
    """Make runs that are under way."""
    dates = enumerate(names, await connection.fetchval("SELECT count(*) FROM dag_run"))
    await insert_runs(
        connection,
        [
            {"dag_id": "d", "run_id": name, "state": "running", "moment": f"2030-01-01T{n // 60:02}:{n % 60:02}:00Z"}
            for n, name in dates
        ],
    )


@asynccontextmanager
async def telling(dsn: str, told: Receiver, state: Path) -> AsyncIterator[str]:
    """Serve with the role that has the grants alone; yields the URL once it is known from when on."""
    named = {"on_run_end_url": told.url, "on_run_end_secret": SECRET, "on_run_end_state": str(state)}
    async with live_server(dsn, watch_interval="0.1", **named) as url:
        await until(state.exists)
        # A look has begun, which notices what happens from now on.
        await asyncio.sleep(0.5)
        yield url


@pytest.mark.parametrize("release", CHOSEN)
async def test_ends_are_told(empty_database: str, release: str, role: str, tmp_path: Path) -> None:
    """While it serves and afterwards, once each; one that was cleared again; the file is all that is written."""
    dsn, state = await prepare(empty_database, release, role), tmp_path / "state" / "ends.json"
    async with connected(empty_database) as connection, receiving() as told:
        await connection.execute("TRUNCATE dag_run CASCADE")
        tables = await connection.fetch(TABLES)
        await add(connection, "a", "b", "c", "before")
        await connection.execute(END, "before", "success")
        async with telling(dsn, told, state) as url, aiohttp.ClientSession() as session:
            await connection.execute(END, "a", "success")
            await until(lambda: told.runs == ["a"])
            await add(connection, "new")
            await connection.execute(END, "new", "failed")
            await until(lambda: told.runs == ["a", "new"])
            path = f"{url}/api/experimental/dags/d/dag_runs/run_id=new?details=true"
            async with session.get(path) as answer:
                assert await answer.read() == told.came[1].body
            await connection.execute("UPDATE dag_run SET state = 'queued', end_date = NULL WHERE run_id = 'a'")
            await asyncio.sleep(0.5)
            await connection.execute(END, "a", "failed")
            await until(lambda: told.runs == ["a", "new", "a"])
        await connection.execute(END, "b", "success")
        async with telling(dsn, told, state):
            await until(lambda: told.runs[3:] == ["b"])
            await asyncio.sleep(0.3)
        assert told.runs == ["a", "new", "a", "b"]
        assert len({one.id for one in told.came}) == 4
        state.write_text("nonsense")
        await connection.execute(END, "c", "success")
        async with telling(dsn, told, state):
            await until(lambda: state.read_text() != "nonsense")
            await add(connection, "last")
            await connection.execute(END, "last", "success")
            await until(lambda: told.runs[4:] == ["last"])
        assert await connection.fetch(TABLES) == tables


async def test_what_no_look_has_seen(
    empty_database: str, role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is cleared and ends between two looks is found by the next scan."""
    monkeypatch.setattr(teller, "_BETWEEN_SCANS", 2.0)
    dsn = await prepare(empty_database, CHOSEN[1], role)
    async with connected(empty_database) as connection, receiving() as told:
        await add(connection, "a")
        async with telling(dsn, told, tmp_path / "ends.json"):
            await connection.execute(END, "a", "success")
            await until(lambda: len(told.came) == 1)
            # It is not among those that the next looks show again.
            await asyncio.sleep(1)
            async with connection.transaction():
                await connection.execute("UPDATE dag_run SET state = 'queued', end_date = NULL WHERE run_id = 'a'")
                await connection.execute(
                    "UPDATE dag_run SET end_date = clock_timestamp(), state = 'success' WHERE run_id = 'a'"
                )
            await until(lambda: len(told.came) == 2)
    assert len({one.id for one in told.came}) == 2


async def test_more_than_a_look_shows(
    empty_database: str, role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds at once, of which few may wait: all are told once."""
    monkeypatch.setattr("server.webhooks.journal.MOST_WAITING", 50)
    dsn = await prepare(empty_database, CHOSEN[-1], role)
    names = [f"r{number:03}" for number in range(400)]
    async with connected(empty_database) as connection, receiving() as told:
        await add(connection, *names)
        async with telling(dsn, told, tmp_path / "ends.json"):
            await connection.execute("UPDATE dag_run SET state = 'success', end_date = now() WHERE run_id LIKE 'r%'")
            await until(lambda: len(told.came) >= 400)
            await asyncio.sleep(0.5)
    assert sorted(told.runs) == names
