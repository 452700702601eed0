"""`[windsock] on_run_end_url`: a signed POST when a run ends, from a standalone database's server."""

import asyncio
import base64
import itertools
import json
import logging
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from server.metrics.counters import COUNTERS
from server.webhooks import journal, receiver
from tests.acceptance.process import wait_until
from tests.acceptance.service import Service
from tests.live import live_server
from tests.receiver import SECRET, Receiver, receiving
from tests.until import until

ADD = (
    "INSERT INTO dag_run (dag_id, run_id, execution_date, state, start_date, end_date, external_trigger)"
    " SELECT 'd', name, now() + random() * interval '1 year', $2::text, now(),"
    " CASE WHEN $2::text <> 'running' THEN now() END, true"
    " FROM unnest($1::text[]) AS name"
)
END = "UPDATE dag_run SET state = $2, end_date = now() WHERE run_id = $1"


@pytest.fixture
async def told() -> AsyncIterator[Receiver]:
    """Run a receiver."""
    async with receiving() as one:
        yield one


@asynccontextmanager
async def telling(database: str, told: Receiver, **options: object) -> AsyncIterator[str]:
    """Serve, and tell the receiver; yields the URL once it is known from when on."""
    named = {"on_run_end_url": told.url, "on_run_end_secret": SECRET, "watch_interval": "0.1", **options}
    async with live_server(database, **named) as url:
        connection = await asyncpg.connect(database)
        await until(lambda: connection.fetchval("SELECT EXISTS (SELECT FROM windsock_state)"))
        await connection.close()
        yield url


@asynccontextmanager
async def process(service: Service) -> AsyncIterator[Service]:
    """Run a service beside the receiver of this process."""
    await asyncio.to_thread(service.__enter__)
    try:
        yield service
    finally:
        service.__exit__(None, None, None)


async def add(connection: asyncpg.Connection, *names: str, state: str = "success") -> None:
    """Make runs."""
    await connection.execute(ADD, names, state)


async def test_an_end_is_told(database: str, connection: asyncpg.Connection, told: Receiver) -> None:
    """Of every run that ends, from the start on, with what the API says of it; once each, and in their order."""
    await add(connection, "before")
    await add(connection, "long", "other", state="running")
    async with telling(database, told) as url, aiohttp.ClientSession() as session:
        await add(connection, "short")
        await until(lambda: told.runs == ["short"])
        for name, state in (("long", "failed"), ("other", "success")):
            await connection.execute(END, name, state)
            await until(lambda: told.runs[-1] == name)  # noqa: B023 - it is waited for here
        async with session.get(f"{url}/api/experimental/dags/d/dag_runs/run_id=long?details=true") as answer:
            assert await answer.read() == told.came[1].body
        await asyncio.sleep(0.5)
    assert told.runs == ["short", "long", "other"]
    assert [one.run["state"] for one in told.came] == ["success", "failed", "success"]
    assert len({one.id for one in told.came}) == 3
    assert all("." not in one.id for one in told.came)


async def test_one_that_ends_again(database: str, connection: asyncpg.Connection, told: Receiver) -> None:
    """A run that was cleared is told again, under another id, also if nobody has seen it run meanwhile."""
    async with telling(database, told):
        await add(connection, "again")
        await until(lambda: len(told.came) == 1)
        await connection.execute("UPDATE dag_run SET state = 'running', end_date = NULL")
        await connection.execute(END, "again", "failed")
        await until(lambda: len(told.came) == 2)
        await connection.execute("UPDATE dag_run SET state = 'running', end_date = NULL")
        await asyncio.sleep(0.3)
        await connection.execute(END, "again", "failed")
        await until(lambda: len(told.came) == 3)
    assert len({one.id for one in told.came}) == 3


async def test_what_happens_while_nobody_serves(database: str, connection: asyncpg.Connection, told: Receiver) -> None:
    """The next server tells it, and nothing of what was told before."""
    await add(connection, "cleared", "left", state="running")
    async with telling(database, told):
        await add(connection, "a")
        await connection.execute(END, "cleared", "failed")
        await until(lambda: len(told.came) == 2)
    await connection.execute("UPDATE dag_run SET state = 'running', end_date = NULL WHERE run_id = 'cleared'")
    await connection.execute(END, "cleared", "success")
    await connection.execute(END, "left", "success")
    await add(connection, "new")
    async with telling(database, told):
        await until(lambda: len(told.came) == 5)
        await asyncio.sleep(0.5)
    assert sorted(told.runs[2:]) == ["cleared", "left", "new"]


async def test_two_servers_tell_once(database: str, connection: asyncpg.Connection, told: Receiver) -> None:
    """And when the one that does it ends, the other one goes on."""
    async with telling(database, told):
        async with telling(database, told):
            await add(connection, *(f"a{number}" for number in range(50)))
            await until(lambda: len(told.came) == 50)
            await asyncio.sleep(0.5)
        await add(connection, "b")
        await until(lambda: "b" in told.runs)
    async with telling(database, told):
        await add(connection, "c")
        await until(lambda: "c" in told.runs)
        await asyncio.sleep(0.5)
    assert set(Counter(told.runs).values()) == {1}
    assert len(told.came) == 52


@pytest.mark.slow
async def test_one_that_is_killed(
    database: str, connection: asyncpg.Connection, told: Receiver, tmp_path: Path
) -> None:
    """Nothing is lost; what is repeated has the id that it had before. Nor does a reload wait for the receiver."""
    named = {"on_run_end_url": told.url, "on_run_end_secret": SECRET, "watch_interval": "0.1", "workers": "2"}
    options: dict[str, Any] = dict(named)
    names = [f"r{number}" for number in range(300)]

    async def slow(_request: web.Request, _run: dict[str, Any]) -> None:
        await asyncio.sleep(0.05)

    async def hang(_request: web.Request, _run: dict[str, Any]) -> None:
        await asyncio.sleep(60)

    told.answer = slow
    async with process(Service(database, tmp_path, **options)) as service:
        await until(lambda: connection.fetchval("SELECT EXISTS (SELECT FROM windsock_state)"))
        await add(connection, *names)
        await until(lambda: len(told.came) > 50)
        for number in (service.process.pid, *service.workers()):
            os.kill(number, signal.SIGKILL)
    async with process(Service(database, tmp_path, **options)) as service:
        await until(lambda: set(told.runs) == set(names))
        name = 'windsock_run_ends_total{outcome="told"}'
        await asyncio.to_thread(wait_until, lambda: service.metrics().get(name, 0) > 0)
        await asyncio.to_thread(wait_until, lambda: service.metrics()["windsock_run_ends_waiting"] == 0)
        told.answer = hang
        await add(connection, "hangs")
        await until(lambda: "hangs" in told.runs)
        began = asyncio.get_running_loop().time()
        await asyncio.to_thread(service.reload, '"reloaded"')
        assert asyncio.get_running_loop().time() - began < 15
        told.answer = None
        await until(lambda: told.runs.count("hangs") == 2)
    assert len({one.id for one in told.came}) == len(names) + 1
    # Those of the last second or so, and those that were under way.
    assert len(told.came) < len(names) + 250


async def test_a_receiver_that_fails(database: str, connection: asyncpg.Connection, told: Receiver) -> None:
    """It is asked again after intervals that grow, with the same id; the others do not wait for that one."""
    statuses = {"poison": [404, 302]}

    async def fail(_request: web.Request, run: dict[str, Any]) -> web.Response | None:
        left = statuses.get(run["run_id"])
        return web.Response(status=left.pop(0), headers={"Location": "/elsewhere"}) if left else None

    told.answer = fail
    async with telling(database, told):
        await add(connection, "poison")
        await until(lambda: told.came)
        await add(connection, "fine")
        await until(lambda: len(told.came) == 4)
        await asyncio.sleep(0.3)
    tries = [one for one in told.came if one.run["run_id"] == "poison"]
    assert len(tries) == 3
    assert len({one.id for one in tries}) == 1
    pauses = [later.moment - sooner.moment for sooner, later in itertools.pairwise(tries)]
    assert all(low < pause < high for pause, low, high in zip(pauses, (0.7, 1.4), (2.8, 4.1), strict=True))
    assert told.elsewhere == 0
    assert told.runs[-1] == "poison"


async def test_a_receiver_that_asks_to_be_left_alone(
    database: str, connection: asyncpg.Connection, told: Receiver
) -> None:
    """As long as it says."""
    answers = [web.Response(status=429, headers={"Retry-After": "3"})]

    async def answer(_request: web.Request, _run: dict[str, Any]) -> web.Response | None:
        return answers.pop() if answers else None

    told.answer = answer
    async with telling(database, told):
        await add(connection, "a")
        await until(lambda: len(told.came) == 2)
    assert told.came[1].moment - told.came[0].moment > 2.9


async def test_a_receiver_that_hangs(
    database: str, connection: asyncpg.Connection, told: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one that does not answer nor one whose answer has no end keeps anybody waiting, also not a stop."""
    monkeypatch.setattr(receiver, "_TIMEOUT", aiohttp.ClientTimeout(total=30))

    async def hang(request: web.Request, run: dict[str, Any]) -> web.StreamResponse | None:
        if run["run_id"] == "silent":
            await asyncio.sleep(60)
        answer = web.StreamResponse()
        await answer.prepare(request)
        while not request.transport or not request.transport.is_closing():
            await answer.write(b"x" * 1000)
            await asyncio.sleep(0.01)
        return answer

    told.answer = hang
    loop = asyncio.get_running_loop()
    async with telling(database, told) as url, aiohttp.ClientSession() as session:
        await add(connection, "silent")
        await until(lambda: told.came)
        await add(connection, *(f"endless{number}" for number in range(20)))
        await until(lambda: len(told.came) == 21, 10)
        began = loop.time()
        async with session.get(f"{url}/api/experimental/test") as answer:
            assert answer.status == 200
        assert loop.time() - began < 1
        await asyncio.sleep(1.2)
        began = loop.time()
    assert loop.time() - began < 5
    noted = json.loads(await connection.fetchval("SELECT content FROM windsock_state"))
    assert [one["run_id"] for one in noted["waiting"]] == ["silent"]
    assert len(noted["told"]) == 20


async def test_one_that_takes_too_long(
    database: str, connection: asyncpg.Connection, told: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts as a failure."""
    monkeypatch.setattr(receiver, "_TIMEOUT", aiohttp.ClientTimeout(total=0.3))

    async def hang(_request: web.Request, _run: dict[str, Any]) -> None:
        if len(told.came) == 1:
            await asyncio.sleep(60)

    told.answer = hang
    async with telling(database, told):
        await add(connection, "a")
        await until(lambda: len(told.came) == 2)
    assert told.runs == ["a", "a"]


async def test_many_at_once(
    database: str, connection: asyncpg.Connection, told: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are told once, and few are in memory."""
    monkeypatch.setattr(journal, "MOST_WAITING", 100)
    most: list[int] = []
    whole = journal.Journal.add

    def watched(self: journal.Journal, ends: Any) -> int:  # noqa: ANN401 - as it is declared there
        taken = whole(self, ends)
        most.append(len(self))
        return taken

    monkeypatch.setattr(journal.Journal, "add", watched)
    async with telling(database, told):
        names = [f"r{number:04}" for number in range(800)]
        await add(connection, *names)
        await until(lambda: len(told.came) >= 800)
        await asyncio.sleep(0.5)
    assert sorted(told.runs) == names
    assert max(most) == 100
    # About in their order: those of a page before those of the next one.
    assert all(abs(place - names.index(name)) < 150 for place, name in enumerate(told.runs))


async def test_one_that_is_deleted_or_cleared(database: str, connection: asyncpg.Connection, told: Receiver) -> None:
    """Before it was told there is nothing to tell; one that was cleared is told when it ends again."""
    COUNTERS.run_ends.clear()
    failing = True

    async def answer(_request: web.Request, _run: dict[str, Any]) -> web.Response | None:
        return web.Response(status=503) if failing else None

    told.answer = answer
    async with telling(database, told):
        await add(connection, "deleted", "cleared")
        await until(lambda: len(told.came) == 2)
        await connection.execute("DELETE FROM dag_run WHERE run_id = 'deleted'")
        await connection.execute("UPDATE dag_run SET state = 'running', end_date = NULL")
        failing = False
        await until(lambda: COUNTERS.run_ends["deleted"] == 1)
        await asyncio.sleep(1)
        assert len(told.came) == 2
        await connection.execute(END, "cleared", "success")
        await until(lambda: len(told.came) == 3)
    assert told.runs[2] == "cleared"
    assert COUNTERS.run_ends == {"failed": 2, "deleted": 1, "told": 1}


async def test_rows_that_are_odd(database: str, connection: asyncpg.Connection, told: Receiver) -> None:
    """A conf that cannot be read is told as the API does; odd dates and names hold up nobody."""
    await add(connection, "odd", "infinite", "nameless", "late", state="running")
    await connection.execute("UPDATE dag_run SET conf = '\\x80046e6f6e73656e7365' WHERE run_id = 'odd'")
    async with telling(database, told):
        await connection.execute(END, "odd", "failed")
        await connection.execute(
            "UPDATE dag_run SET state = 'success', end_date = 'infinity' WHERE run_id = 'infinite'"
        )
        await connection.execute(
            "UPDATE dag_run SET state = 'success', end_date = now() + interval '9 days' WHERE run_id = 'late'"
        )
        await connection.execute(
            "UPDATE dag_run SET state = 'success', end_date = now(), run_id = NULL WHERE run_id = 'nameless'"
        )
        await add(connection, "a\u00e9\u2028.\U0001f600 b/c?")
        await until(lambda: len(told.came) == 2)
        await asyncio.sleep(0.5)
    known = {one.run["run_id"]: one.run for one in told.came}
    assert sorted(known) == ["a\u00e9\u2028.\U0001f600 b/c?", "odd"]
    assert known["odd"]["conf"] is None
    assert known["odd"]["conf_error"]


async def test_one_that_is_given_up(
    database: str,
    connection: asyncpg.Connection,
    told: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After three days; the log says so, and nothing that is secret."""
    caplog.set_level(logging.DEBUG)
    COUNTERS.run_ends.clear()

    async def answer(_request: web.Request, _run: dict[str, Any]) -> web.Response:
        return web.Response(status=401)

    told.answer = answer
    scheme, _, rest = told.url.partition("//")
    async with telling(database, told, on_run_end_url=f"{scheme}//u-ser:pass-word@{rest}?to-ken"):
        await add(connection, "a")
        await until(lambda: COUNTERS.run_ends["failed"])
        monkeypatch.setattr(journal, "GIVE_UP", timedelta(0))
        await until(lambda: COUNTERS.run_ends["given_up"])
        await asyncio.sleep(0.5)
    assert COUNTERS.run_ends == {"failed": 2, "given_up": 1}
    said = "\n".join(
        json.dumps({**vars(record), "text": record.getMessage()}, default=str) for record in caplog.records
    )
    assert "the end of a run is given up" in said
    assert "http://127.0.0.1:" in said
    for secret in (
        SECRET,
        SECRET[6:],
        "pass-word",
        "u-ser",
        "se-cret",
        "to-ken",
        base64.b64encode(b"u-ser:").decode()[:6],
    ):
        assert secret not in said, secret


async def test_a_receiver_that_is_not_there(
    database: str, connection: asyncpg.Connection, told: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """No name and nobody who listens: the server starts and serves; the log says it once."""
    COUNTERS.run_ends.clear()
    for url in ("http://no-such-host.invalid/", "http://127.0.0.1:9/"):
        caplog.clear()
        async with telling(database, told, on_run_end_url=url) as served, aiohttp.ClientSession() as session:
            await add(connection, f"a{url[-2]}", f"b{url[-2]}")
            failed = COUNTERS.run_ends["failed"]
            await until(lambda: COUNTERS.run_ends["failed"] > failed + 1)  # noqa: B023 - it is waited for here
            async with session.get(f"{served}/health") as answer:
                assert answer.status == 200
        assert [record.getMessage() for record in caplog.records].count(
            "the receiver of on_run_end_url does not accept requests; they are repeated"
        ) == 1
    async with telling(database, told):
        await until(lambda: len(told.came) == 4)


async def test_a_note_that_cannot_be_read(
    database: str, connection: asyncpg.Connection, told: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """What ends from then on is told; so it is after an outage that was longer than anybody waits for a request."""
    async with telling(database, told):
        await add(connection, "a")
        await until(lambda: told.came)
    await connection.execute("UPDATE windsock_state SET content = '{\"since\": 5}'")
    await add(connection, "lost")
    async with telling(database, told):
        await until(lambda: "cannot be read" in caplog.text)
        await add(connection, "b")
        await until(lambda: "b" in told.runs)
    assert told.runs == ["a", "b"]
    since = '{"since": "2020-01-01T00:00:00Z", "told": {}, "waiting": []}'
    await connection.execute("UPDATE windsock_state SET content = $1", since)
    await connection.execute("UPDATE dag_run SET end_date = now() - interval '4 days' WHERE run_id <> 'lost'")
    async with telling(database, told):
        await until(lambda: told.runs[2:] == ["lost"])
        await asyncio.sleep(0.5)
    assert told.runs == ["a", "b", "lost"]


async def test_a_database_that_goes_away(database: str, connection: asyncpg.Connection, told: Receiver) -> None:
    """It goes on afterwards; nothing is lost."""
    async with telling(database, told):
        await add(connection, "a")
        await until(lambda: told.came)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await add(connection, "b")
        await until(lambda: "b" in told.runs)


async def test_behind_pgbouncer_the_lock_is_that_of_a_transaction(
    database: str, connection: asyncpg.Connection, told: Receiver
) -> None:
    """So a session that PgBouncer shares holds nothing; here too, one of two servers tells."""
    async with telling(database, told, pgbouncer="True"), telling(database, told, pgbouncer="True"):
        await add(connection, *(f"a{number}" for number in range(20)))
        await until(lambda: len(told.came) == 20)
        await asyncio.sleep(0.5)
        held = await connection.fetch(
            "SELECT activity.state FROM pg_locks JOIN pg_stat_activity AS activity USING (pid)"
            " WHERE locktype = 'advisory' AND objid = $1 AND granted"
            " AND activity.datname = current_database()", 0x77690005,
        )  # fmt: skip
        assert [row["state"] for row in held] == ["idle in transaction"]
    assert len(told.came) == 20
