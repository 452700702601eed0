"""What wakes the schedulers of a standalone database: the server's announcement, or the table's trigger."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress

import aiohttp
import asyncpg
import pytest

from server.database.announcer import CHANNEL
from server.database.metadata import open_metadata
from tests.contract import cases
from tests.live import config_for

API = "/api/experimental/dags"
Serve = Callable[..., Awaitable[str]]
INSERT = """
    INSERT INTO dag_run (dag_id, run_id, execution_date, state, external_trigger)
    VALUES ('ref_echo', 'by hand', '2031-01-01 00:00+00', 'running', true) RETURNING id
"""


class Listener:
    """Hears what schedulers hear."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self.heard: list[str] = []

    def hear(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self.heard.append(str(payload))

    async def until(self, ids: Sequence[int]) -> None:
        """Wait until all of them were announced; then none may have been twice, and nothing else."""
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                while len(self.ids) < len(ids):
                    await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert sorted(self.ids) == sorted(ids)

    @property
    def ids(self) -> list[int]:
        return [int(text) for payload in self.heard for text in payload.split(",")]


@pytest.fixture
async def listener(database: str) -> AsyncIterator[Listener]:
    connection = await asyncpg.connect(database)
    await connection.execute(cases.ROWS.read_text())
    listener = Listener(connection)
    await connection.add_listener(CHANNEL, listener.hear)
    yield listener
    await connection.close()


async def trigger(session: aiohttp.ClientSession, url: str, dag_id: str, minute: int) -> None:
    body = {"run_id": f"run_{minute}", "execution_date": f"2030-01-01T00:{minute:02}:00+00:00"}
    async with session.post(f"{url}{API}/{dag_id}/dag_runs", data=json.dumps(body)) as response:
        assert response.status == 200, await response.text()


async def runs(listener: Listener) -> list[int]:
    rows = await listener.connection.fetch("SELECT id FROM dag_run WHERE execution_date >= '2030-01-01'")
    return [row["id"] for row in rows]


async def test_every_triggered_run_is_announced_once(serve: Serve, listener: Listener) -> None:
    """The first one at once, those of a load together: few announcements, and all runs in them."""
    url = await serve()
    async with aiohttp.ClientSession() as session:
        await trigger(session, url, "ref_echo", 0)
        async with asyncio.timeout(0.5):
            while not listener.heard:
                await asyncio.sleep(0.001)
        await asyncio.gather(*(trigger(session, url, "ref_echo", minute) for minute in range(1, 60)))
    await listener.until(await runs(listener))
    assert len(listener.ids) == 60
    assert len(listener.heard) < 30


async def test_sub_dags_are_announced_with_their_parent(serve: Serve, listener: Listener) -> None:
    """All rows that one trigger makes."""
    url = await serve()
    async with aiohttp.ClientSession() as session:
        await trigger(session, url, "ref_parent", 0)
    made = await runs(listener)
    assert len(made) > 1
    await listener.until(made)


async def test_what_was_answered_is_announced_before_the_end(database: str, listener: Listener) -> None:
    """A server that stops announces what it has committed."""
    async with open_metadata(config_for(database), serving=True) as metadata:
        for run_ids in ([1], [2, 3]):
            metadata.announcer(run_ids)
    await listener.until([1, 2, 3])


async def test_others_inserts_are_announced_by_the_table(listener: Listener) -> None:
    """Those of the command line and by hand, with their commit."""
    await listener.until([await listener.connection.fetchval(INSERT)])


async def test_who_announces_commits_without_notifying(listener: Listener) -> None:
    """So that its transactions need not wait for each other."""
    await listener.connection.execute("SET windsock.announces = 'on'")
    await listener.connection.fetchval(INSERT)
    await listener.until([])


@pytest.mark.parametrize("pgbouncer", [True, False])
async def test_behind_pgbouncer_the_table_announces(database: str, listener: Listener, *, pgbouncer: bool) -> None:
    """It hands on no settings of sessions, so that the server must not announce a second time."""
    async with open_metadata(config_for(database, pgbouncer=str(pgbouncer)), serving=True) as metadata:
        metadata.announcer([7])
        await metadata.announcer.close()
    await listener.until([] if pgbouncer else [7])
