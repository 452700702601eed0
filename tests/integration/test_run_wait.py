"""`?wait=`: an answer when the run has ended."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from server.database import run_states
from server.local_client import LocalClient
from tests.live import config_for, live_server
from tests.scheduling import Bench, bash, bench
from windsock.client import Client
from windsock.client.json_client import JsonClient
from windsock.protocol import STATE_HEADER, WARNING_HEADER

API = "/api/experimental/dags/d/dag_runs"


@pytest.fixture
async def b(database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """Set up a bench."""
    async with bench(database, tmp_path) as made:
        yield made


async def _make(connection: asyncpg.Connection, run_id: str, state: str = "running") -> None:
    await connection.execute(
        "INSERT INTO dag_run (dag_id, run_id, execution_date, state, external_trigger)"
        " VALUES ('d', $1, now() + random() * interval '1 year', $2, true)",
        run_id, state,
    )  # fmt: skip


async def _state(session: aiohttp.ClientSession, url: str, run_id: str, wait: str) -> tuple[int, object]:
    async with session.get(f"{url}{API}/run_id={run_id}?wait={wait}") as answer:
        body = await answer.json()
        return answer.status, body.get("state", body.get("code"))


async def test_it_answers_when_the_run_has_ended(database: str, connection: asyncpg.Connection) -> None:
    """Whoever ends it: also somebody who tells nobody."""
    async with live_server(database, watch_interval="0.1") as url, aiohttp.ClientSession() as session:
        for run_id in "abcd":
            await _make(connection, run_id)
        waiting = [asyncio.create_task(_state(session, url, run_id, "30")) for run_id in "aabcd"]
        done, _ = await asyncio.wait(waiting, timeout=0.5)
        assert not done
        await connection.execute("UPDATE dag_run SET state = 'success' WHERE run_id = 'a'")
        assert await asyncio.gather(*waiting[:2]) == [(200, "success")] * 2
        await connection.execute("UPDATE dag_run SET state = 'failed' WHERE run_id = 'b'")
        assert await waiting[2] == (200, "failed")
        await connection.execute("DELETE FROM dag_run WHERE run_id = 'c'")
        assert await waiting[3] == (404, "run_not_found")
        assert not waiting[4].done()
        waiting[4].cancel()


async def test_it_is_bounded(database: str, connection: asyncpg.Connection) -> None:
    """By what was asked, and by the operator; nonsense is a 400."""
    await _make(connection, "a")
    async with live_server(database, wait_limit="0.3") as url, aiohttp.ClientSession() as session:
        begun = time.monotonic()
        assert await _state(session, url, "a", "0.2") == (200, "running")
        assert await _state(session, url, "a", "99999") == (200, "running")
        assert time.monotonic() - begun < 10
        for odd in ("-1", "nan", "inf", "1e3", "x", "", "9" * 50, "%00"):
            assert (await _state(session, url, "a", odd))[0] == 400, odd
        assert await _state(session, url, "none", "30") == (404, "run_not_found")
        await connection.execute("UPDATE dag_run SET state = 'success'")
        assert await _state(session, url, "a", "30") == (200, "success")


async def test_a_stop_answers_those_who_wait(database: str, connection: asyncpg.Connection) -> None:
    """With what is known."""
    await _make(connection, "a")
    async with aiohttp.ClientSession() as session:
        async with live_server(database) as url:
            waiting = asyncio.create_task(_state(session, url, "a", "45"))
            await asyncio.sleep(0.3)
            begun = time.monotonic()
        assert await waiting == (200, "running")
        assert time.monotonic() - begun < 20


async def test_nothing_is_read_while_nobody_waits(database: str, connection: asyncpg.Connection) -> None:
    """One statement in an interval for all, and none afterwards."""
    looks = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%known.id%' OR query LIKE 'LISTEN%'"
    await _make(connection, "a")
    async with live_server(database, watch_interval="0.1") as url, aiohttp.ClientSession() as session:
        waiting = asyncio.create_task(_state(session, url, "a", "30"))
        async with asyncio.timeout(10):
            while not await connection.fetchval(looks):
                await asyncio.sleep(0.02)
            await connection.execute("UPDATE dag_run SET state = 'success'")
            assert await waiting == (200, "success")
            while await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"):
                await asyncio.sleep(0.02)


async def test_a_trigger_that_waits(b: Bench, serve: Callable[..., Awaitable[str]]) -> None:
    """The body keeps its three keys; the scheduler wakes those who wait, long before the next look."""
    await b.load({"d": {"tasks": {"t": bash("true")}}, "e": {"tasks": {"t": bash("false")}}})
    url = await serve(watch_interval="60")
    async with b.scheduler(), aiohttp.ClientSession() as session:
        for dag_id, state in (("d", "success"), ("e", "failed")):
            path = f"{url}/api/experimental/dags/{dag_id}/dag_runs?wait=45"
            async with asyncio.timeout(30), session.post(path, json={}) as answer:
                assert set(await answer.json()) == {"execution_date", "message", "run_id"}
                assert answer.headers[STATE_HEADER] == state
        async with session.post(f"{url}{API}", json={}) as answer:
            assert STATE_HEADER not in answer.headers


@pytest.mark.parametrize("limit", ["50", "0"], ids=["waits", "does not wait"])
async def test_clients_wait(database: str, connection: asyncpg.Connection, limit: str) -> None:
    """Also where the server does not, as older ones; and straight on the database."""
    await _make(connection, "a")
    async with live_server(database, wait_limit=limit, watch_interval="0.1") as url:
        clients: list[Client] = [JsonClient(url), LocalClient(config_for(database, watch_interval="0.1"))]
        seen: list[str | None] = []
        for client in clients:
            assert await asyncio.to_thread(client.wait, "d", "run_id=a", 0.5, seen.append) == "running"
        assert set(seen) == {"running"}
        waiting = [asyncio.to_thread(client.wait, "d", "run_id=a", 45) for client in clients]
        both = asyncio.gather(*waiting)
        await asyncio.sleep(0.5)
        await connection.execute("UPDATE dag_run SET state = 'failed'")
        assert await both == ["failed", "failed"]
        for client in clients:
            await asyncio.to_thread(client.close)


async def test_a_lost_database_ends_no_wait(database: str, connection: asyncpg.Connection) -> None:
    """Each gets the true state in the end."""
    await _make(connection, "a")
    async with live_server(database, watch_interval="0.1") as url, aiohttp.ClientSession() as session:
        waiting = [asyncio.create_task(_state(session, url, "a", "30")) for _ in range(20)]
        await asyncio.sleep(0.5)
        for _ in range(3):
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await asyncio.sleep(0.2)
        await connection.execute("UPDATE dag_run SET state = 'success'")
        assert await asyncio.gather(*waiting) == [(200, "success")] * 20


async def test_many_who_are_woken_together(database: str, connection: asyncpg.Connection) -> None:
    """They do not fill the queue for the database, in which others wait, too."""
    await _make(connection, "a")
    connector = aiohttp.TCPConnector(limit=0)
    options = {"watch_interval": "0.1", "batch_queue_limit": "16", "batch_size": "1", "batch_in_flight": "1"}
    async with live_server(database, **options) as url, aiohttp.ClientSession(connector=connector) as session:
        waiting = []
        for _ in range(20):
            waiting += [asyncio.create_task(_state(session, url, "a", "30")) for _ in range(5)]
            await asyncio.sleep(0.05)
        await connection.execute("UPDATE dag_run SET state = 'success'")
        assert await asyncio.gather(*waiting) == [(200, "success")] * 100


async def test_a_trigger_is_in_the_log_before_it_waits(database: str, connection: asyncpg.Connection) -> None:
    """Whatever becomes of the server meanwhile."""
    async with (
        live_server(database, auth_backend="tests.airflow.named", watch_interval="0.1") as url,
        aiohttp.ClientSession(headers={"X-Caller": "alice"}) as session,
    ):
        waiting = asyncio.create_task(session.post(f"{url}{API}?wait=30", json={"run_id": "r"}))
        async with asyncio.timeout(10):
            while not await connection.fetchval("SELECT count(*) FROM log WHERE owner = 'alice'"):
                await asyncio.sleep(0.02)
        assert not waiting.done()
        await connection.execute("DELETE FROM dag_run")
        answer = await waiting
        assert (answer.status, answer.headers.get(STATE_HEADER)) == (200, None)
        assert "its state is not known" in answer.headers[WARNING_HEADER]


async def test_a_list_of_runs(database: str, connection: asyncpg.Connection) -> None:
    """The answer comes when all have ended; what names no run keeps nobody waiting, and a list is bounded."""
    for run_id in "abc":
        await _make(connection, run_id)
    runs: list[object] = [{"dag_id": "d", "run_id": run_id} for run_id in "abca"]
    runs += [{"dag_id": "d", "run_id": "none"}, {"dag_id": "nope", "run_id": "a"}, 5]
    async with live_server(database, watch_interval="0.1") as url, aiohttp.ClientSession() as session:

        async def states(asked: object, wait: str = "") -> tuple[int, list[object]]:
            async with session.post(f"{url}/api/experimental/dag_runs/states{wait}", json=asked) as answer:
                found = await answer.json()
                return answer.status, [one.get("state") or one["code"] for one in found] if answer.ok else found

        errors = ["run_not_found", "dag_not_found", "invalid_request"]
        assert await states(runs) == (200, [*["running"] * 4, *errors])
        assert await states(runs, "?wait=0.2") == (200, [*["running"] * 4, *errors])
        assert await states(runs[4:], "?wait=45") == (200, errors)
        waiting = asyncio.create_task(states(runs, "?wait=45"))
        for run_id, state in (("a", "success"), ("c", "failed")):
            await asyncio.sleep(0.3)
            await connection.execute("UPDATE dag_run SET state = $2 WHERE run_id = $1", run_id, state)
        await asyncio.sleep(0.5)
        assert not waiting.done()
        await connection.execute("DELETE FROM dag_run WHERE run_id = 'b'")
        assert await waiting == (200, ["success", "run_not_found", "failed", "success", *errors])
        assert (await states(runs[:1] * 1000))[0] == 200
        odds: list[object] = [runs[:1] * 1001, {}, "x", None, 5]
        for odd in odds:
            assert (await states(odd))[0] == 400
    assert await connection.fetchval("SELECT count(*) FROM log") == 0


async def test_lists_of_all_callers_are_bounded(
    database: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their entries, also those that name the same run: nobody waits for more, and still more are refused."""
    monkeypatch.setattr(run_states, "_MOST_WAITED_FOR", 3000)
    monkeypatch.setattr(run_states, "_MOST_LISTED", 3500)
    await _make(connection, "a")
    listed = [{"dag_id": "d", "run_id": "a"}] * 1000
    async with live_server(database, watch_interval="0.1") as url, aiohttp.ClientSession() as session:

        async def states(size: int) -> tuple[int, str]:
            asked = session.post(f"{url}/api/experimental/dag_runs/states?wait=45", json=listed[:size])
            async with asked as answer:
                found = await answer.json()
                return (answer.status, found[0]["state"]) if answer.ok else (answer.status, found["code"])

        waiting = [asyncio.create_task(states(1000)) for _ in range(3)]
        done, _ = await asyncio.wait(waiting, timeout=1)
        assert not done
        assert await states(1) == (200, "running")
        assert await states(501) == (503, "overloaded")
        assert await _state(session, url, "a", "0.1") == (200, "running")
        await connection.execute("UPDATE dag_run SET state = 'success'")
        assert await asyncio.gather(*waiting) == [(200, "success")] * 3
        assert await states(1000) == (200, "success")


async def test_a_stop_answers_who_waits_for_a_list(database: str, connection: asyncpg.Connection) -> None:
    """With what is known."""
    await _make(connection, "a")
    async with aiohttp.ClientSession() as session:
        async with live_server(database) as url:
            asked = session.post(
                f"{url}/api/experimental/dag_runs/states?wait=45", json=[{"dag_id": "d", "run_id": "a"}]
            )
            waiting = asyncio.ensure_future(asked)
            await asyncio.sleep(0.3)
            begun = time.monotonic()
        async with await waiting as answer:
            assert await answer.json() == [{"dag_id": "d", "run_id": "a", "state": "running"}]
        assert time.monotonic() - begun < 20
