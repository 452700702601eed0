"""`GET /events`: what happens to runs, as a stream."""

import asyncio
import contextlib
import itertools
import json
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

import aiohttp
import asyncpg
import bcrypt
import pytest

from server.api.handlers import events
from server.auth.permissions import RoleGrant
from server.database import event_log
from server.database.notices import ENDED_RUNS, NEW_RUNS, TASKS
from server.errors import Unavailable
from server.local_client import LocalClient
from server.wire.dag_patterns import dag_pattern
from tests import limited
from tests.live import config_for, live_server
from tests.scheduling import bash, bench
from tests.until import until
from tests.ways import fast_path
from windsock.client.events import Message, read_messages
from windsock.client.json_client import JsonClient

__all__ = ["fast_path"]
EVENTS = "/api/experimental/events"
Serve = Callable[..., Awaitable[str]]
ADD = (
    "INSERT INTO dag_run (dag_id, run_id, execution_date, state, external_trigger)"
    " VALUES ($1, $2, now() + random() * interval '1 year', $3, true)"
)


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect to a database with two DAGs."""
    made = await asyncpg.connect(database)
    await made.execute("INSERT INTO dag (dag_id, is_paused, is_active) VALUES ('d', false, true), ('e', false, true)")
    try:
        yield made
    finally:
        await made.close()


class Stream:
    """An open stream, and all that has come."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.messages: list[Message] = []
        self.comments = 0
        self.last_id: str | None = None
        self.ended = asyncio.Event()

    async def read(self) -> None:
        """Read until the end."""
        lines: list[bytes] = []
        try:
            async for line in self.answer.content:
                self.comments += line.startswith(b":")
                lines.append(line)
                if line == b"\n":
                    for message in read_messages(lines):
                        self.last_id = message.last_id or self.last_id
                        self.messages += [message] if message.kind else []
                    lines = []
        except aiohttp.ClientError:
            pass
        finally:
            self.ended.set()

    @property
    def seen(self) -> list[tuple[str, ...]]:
        """What has happened to which run, and its state."""
        found = [(one.kind, json.loads(one.data)) for one in self.messages]
        return [
            (kind, *(str(data[name]) for name in ("task_id", "run_id", "state", "reason") if name in data))
            for kind, data in found
        ]

    async def until(self, *expected: tuple[str, ...]) -> None:
        """Wait for these events, and no others."""
        async with asyncio.timeout(20):
            while len(self.seen) < len(expected):
                await asyncio.sleep(0.02)
        assert self.seen == list(expected)


@asynccontextmanager
async def following(url: str, query: str = "", user: str = "all", last_id: str | None = None) -> AsyncIterator[Stream]:
    """Follow events for the length of a block."""
    headers = {limited.HEADER: user, **({} if last_id is None else {"Last-Event-ID": last_id})}
    timeout = aiohttp.ClientTimeout(total=None)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"{url}{EVENTS}{query}", headers=headers) as answer,
    ):
        assert answer.status == 200, await answer.text()
        stream = Stream(answer)
        reading = asyncio.create_task(stream.read())
        yield stream
        reading.cancel()
        await asyncio.wait([reading])


async def test_what_happens_to_runs(serve: Serve, connection: asyncpg.Connection) -> None:
    """Whoever does it, also if they tell nobody; a run that was under way before, and one that is short."""
    await connection.execute(ADD, "d", "before", "running")
    await connection.execute(ADD, "d", "over", "success")
    url = await serve(watch_interval="0.1")
    async with following(url) as stream:
        assert stream.answer.headers["Content-Type"] == "text/event-stream"
        assert stream.answer.headers["X-Accel-Buffering"] == "no"
        await connection.execute(ADD, "d", "short", "success")
        await stream.until(("run_created", "short", "success"), ("run_ended", "short", "success"))
        await connection.execute("UPDATE dag_run SET state = 'failed' WHERE run_id = 'before'")
        await connection.execute(ADD, "e", "gone", "running")
        more = [("run_ended", "before", "failed"), ("run_created", "gone", "running")]
        await until(lambda: len(stream.seen) >= 4)
        await connection.execute("DELETE FROM dag_run WHERE run_id = 'gone'")
        await connection.execute("UPDATE dag_run SET state = 'running' WHERE run_id IN ('over', 'short')")
        more += [("run_deleted", "gone", "running")]
        more += [("run_changed", run_id, "running") for run_id in ("over", "short")]
        await until(lambda: len(stream.seen) >= 7)
        assert sorted(stream.seen[2:]) == sorted(more)
        data = json.loads(stream.messages[0].data)
        assert list(data) == ["dag_id", "execution_date", "run_id", "state"]


async def test_runs_that_somebody_waits_for(serve: Serve, connection: asyncpg.Connection) -> None:
    """Waiters know of a run before the look does that shows it to those who follow: new ones, and cleared ones."""
    await connection.execute(ADD, "d", "cleared", "success")
    url = await serve(watch_interval="0.3")
    async with following(url) as stream, aiohttp.ClientSession() as session:

        async def wait(run_id: str) -> object:
            path = f"{url}/api/experimental/dags/d/dag_runs/run_id={run_id}?wait=20"
            async with session.get(path, headers={limited.HEADER: "all"}) as answer:
                return (await answer.json())["state"]

        await connection.execute("UPDATE dag_run SET state = 'running' WHERE run_id = 'cleared'")
        waiting = [asyncio.create_task(wait("cleared"))]
        for number in range(5):
            await connection.execute(ADD, "d", f"n{number}", "running")
            waiting.append(asyncio.create_task(wait(f"n{number}")))
        # Their ids are no longer new to a look.
        await asyncio.sleep(1.5)
        await connection.execute("UPDATE dag_run SET state = 'failed' WHERE state = 'running'")
        assert await asyncio.gather(*waiting) == ["failed"] * 6
        await until(lambda: len(stream.seen) >= 12)
        begun = [("run_created", f"n{number}", "running") for number in range(5)]
        assert sorted(stream.seen[:6]) == sorted([("run_changed", "cleared", "running"), *begun])
        assert sorted(stream.seen[6:]) == sorted(("run_ended", run_id, "failed") for _, run_id, _ in stream.seen[:6])


async def test_one_that_is_committed_late(serve: Serve, database: str, connection: asyncpg.Connection) -> None:
    """Its id is older than those of runs that were seen before it; it is reported once."""
    url = await serve(watch_interval="0.1")
    late = await asyncpg.connect(database)
    async with following(url) as stream:
        transaction = late.transaction()
        await transaction.start()
        await late.execute(ADD, "d", "late", "success")
        await connection.execute(ADD, "d", "a", "success")
        await stream.until(("run_created", "a", "success"), ("run_ended", "a", "success"))
        await asyncio.sleep(0.5)
        await connection.execute(ADD, "d", "b", "success")
        await until(lambda: len(stream.seen) == 4)
        await transaction.commit()
        await until(lambda: len(stream.seen) == 6)
        await asyncio.sleep(0.5)
        assert stream.seen[4:] == [("run_created", "late", "success"), ("run_ended", "late", "success")]
    await late.close()


async def test_filters(serve: Serve, connection: asyncpg.Connection) -> None:
    """Of DAGs and of runs, several of each; nonsense is a 400, and HEAD has no body."""
    url = await serve(watch_interval="0.1")
    async with (
        following(url, "?dag_id=e&dag_id=none") as of_dag,
        following(url, "?run_id=a%2Bb&run_id=c") as of_runs,
        following(url, "?dag_id=d&run_id=c") as of_both,
    ):
        for dag_id in "de":
            for run_id in ("a+b", "b", "c"):
                await connection.execute(ADD, dag_id, run_id, "running")
        await of_dag.until(*(("run_created", run_id, "running") for run_id in ("a+b", "b", "c")))
        await of_runs.until(*(("run_created", run_id, "running") for run_id in ("a+b", "c") * 2))
        await of_both.until(("run_created", "c", "running"))
    async with aiohttp.ClientSession() as session:
        for odd in ("?dag_id=", "?run_id=%00", "?last_event_id=a&last_event_id=b"):
            async with session.get(f"{url}{EVENTS}{odd}") as answer:
                assert answer.status == 400, odd
        async with session.head(f"{url}{EVENTS}") as answer:
            assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")


async def test_going_on_after_a_break(serve: Serve, connection: asyncpg.Connection) -> None:
    """Nothing is lost or doubled, although nobody looked meanwhile; an id that nobody knows makes a gap."""
    url = await serve(watch_interval="0.1")
    async with following(url) as stream:
        await connection.execute(ADD, "d", "a", "running")
        await stream.until(("run_created", "a", "running"))
        first = stream.last_id
    # At once: the server may not have noticed yet that the stream is left.
    async with connection.transaction():
        await connection.execute(ADD, "d", "b", "success")
        await connection.execute("UPDATE dag_run SET state = 'failed' WHERE run_id = 'a'")
    expected = [("run_ended", "a", "failed"), ("run_created", "b", "success"), ("run_ended", "b", "success")]
    async with following(url, last_id=first) as again:
        await again.until(*expected)
        second = again.last_id
    async with following(url, f"?last_event_id={first}") as third:
        await third.until(*expected)
    async with following(url, f"?last_event_id={first}", last_id=second) as fourth:
        await asyncio.sleep(0.3)
        assert fourth.seen == []
    for odd in ("x", "deadbeef-1", "0" * 32, f"{first}0", f"{first}00", f"{first}"[2:], "é", "9" * 200):
        async with following(url, last_id=None, query=f"?last_event_id={odd}") as lost:
            await lost.until(("gap",))
        async with following(url, last_id=lost.last_id) as fifth:
            await asyncio.sleep(0.1)
            assert fifth.seen == []


async def test_ids_tell_nothing(
    serve: Serve, connection: asyncpg.Connection, carried: dict[str, list[RoleGrant]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither they nor the moments of comments show whether anything happens that their reader may not read."""
    # Each stream has a period of its own, of at least half of it.
    monkeypatch.setattr(events, "_SILENCE", 2.8)
    url = await serve(watch_interval="0.1", auth_backend=limited.NAME)
    carried["some"] = [RoleGrant("Viewer", dag_pattern(["e"]))]
    async with following(url, user="some") as stream, following(url) as all_:
        ids, moments, begun = {stream.last_id}, [0.0], time.monotonic()
        for n in range(3):
            if n == 1:
                await asyncio.sleep(1)
                for each in range(100):
                    await connection.execute(ADD, "d", f"r{each}", "success")
            await until(lambda: stream.comments > len(moments) - 1, every=0.01)
            await asyncio.sleep(0.05)
            moments.append(time.monotonic() - begun)
            ids.add(stream.last_id)
        assert stream.seen == []
        assert len(ids) == 4
        assert {len(str(one)) for one in ids} == {32}
        # Not sooner because of what others do; later if the machine is slow.
        assert all(later - sooner > 1.3 for sooner, later in itertools.pairwise(moments))
        assert len(all_.seen) == 200


class _Away(dict[str, list[RoleGrant]]):
    """What callers may do, where nobody can find out."""

    asked = 0

    def get(self, *_: object) -> NoReturn:
        """Count that somebody asks."""
        self.asked += 1
        raise Unavailable("away")


async def test_it_asks_seldom_what_cannot_be_known(
    serve: Serve, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the database is away, for example; afterwards the stream goes on where it was."""
    away = _Away()
    url = await serve(watch_interval="0.1", auth_backend=limited.NAME)
    async with following(url, user="some") as stream:
        with monkeypatch.context() as patch:
            patch.setattr(limited, "CARRIED", away)
            await connection.execute(ADD, "d", "a", "running")
            await asyncio.sleep(2.5)
            assert stream.seen == []
        await stream.until(("run_created", "a", "running"))
    assert 0 < away.asked < 10


async def test_http_1_0_and_bare_connections(serve: Serve, connection: asyncpg.Connection) -> None:
    """Without chunks the stream ends with the connection."""
    url = await serve(watch_interval="0.1")
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {EVENTS} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"chunked" not in head
        assert (await reader.readline()).startswith(b"retry: ")
        await connection.execute(ADD, "d", "a", "running")
        await reader.readuntil(b"event: run_created\ndata: ")
    writer.close()


async def test_a_stop_ends_streams_with_a_reason(database: str, connection: asyncpg.Connection, fast_path: str) -> None:
    """At once."""
    del connection
    async with AsyncExitStack() as stack:
        async with live_server(database, fast_path=fast_path) as url:
            streams = [await stack.enter_async_context(following(url)) for _ in range(5)]
            begun = time.monotonic()
        assert time.monotonic() - begun < 15
        for stream in streams:
            await stream.until(("end", "stopping"))


async def test_a_stop_does_not_lose_events(database: str, connection: asyncpg.Connection) -> None:
    """The id of another process is unknown, so the stream begins with a gap, and a caller reads the states again."""
    await connection.execute(ADD, "d", "a", "running")
    async with live_server(database) as url, following(url) as stream:
        await until(lambda: stream.last_id)
        last = stream.last_id
    await connection.execute("UPDATE dag_run SET state = 'success'")
    async with live_server(database) as url, following(url, last_id=last) as stream:
        await stream.until(("gap",))


@pytest.fixture
def carried(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[RoleGrant]]:
    """What callers may do; those who are not named may do everything."""
    found = {
        "some": [RoleGrant("Viewer", dag_pattern(["d"]))],
        "nobody": [RoleGrant("Public")],
    }
    monkeypatch.setattr(limited, "CARRIED", found)
    return found


async def test_who_may_read_what(
    serve: Serve, connection: asyncpg.Connection, carried: dict[str, list[RoleGrant]]
) -> None:
    """Events of DAGs that may not be read do not come, and the stream ends with the permission."""
    url = await serve(watch_interval="0.1", auth_backend=limited.NAME, user_check_seconds="1")
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}{EVENTS}", headers={limited.HEADER: "nobody"}) as answer,
    ):
        assert answer.status == 403
    async with (
        following(url, user="some") as some,
        following(url, "?dag_id=e", user="some") as none,
        following(url) as all_,
    ):
        for dag_id in "edf":
            await connection.execute(ADD, dag_id, f"of {dag_id}", "running")
        await all_.until(*(("run_created", f"of {dag_id}", "running") for dag_id in "edf"))
        await some.until(("run_created", "of d", "running"))
        carried["some"] = [RoleGrant("Viewer", dag_pattern(["e"]))]
        await connection.execute("UPDATE dag_run SET state = 'failed' WHERE dag_id IN ('d', 'f')")
        await until(lambda: len(all_.seen) == 5)
        await connection.execute("UPDATE dag_run SET state = 'failed' WHERE dag_id = 'e'")
        await some.until(("run_created", "of d", "running"), ("run_ended", "of e", "failed"))
        await none.until(("run_ended", "of e", "failed"))
        carried["some"] = [RoleGrant("Public")]
        await until(lambda: some.ended.is_set() and none.ended.is_set())
        assert some.seen[-1] == none.seen[-1] == ("end", "permission_missing")


async def test_the_end_of_a_session(database: str, connection: asyncpg.Connection) -> None:
    """A stream ends with the credentials of its caller: a session, a password, a token."""
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    await connection.execute("INSERT INTO users (username, password) VALUES ('ann', $1)", hashed)
    options = {
        "auth_backend": "password_auth",
        "user_check_seconds": "1",
        "authorization": "none",
        "secret_key": "k" * 32,
    }
    async with live_server(database, watch_interval="0.1", **options) as url, AsyncExitStack() as stack:
        streams = []
        for in_session in (False, True):
            session = await stack.enter_async_context(
                aiohttp.ClientSession(
                    cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=aiohttp.ClientTimeout(total=None)
                )
            )
            headers = {"Authorization": aiohttp.encode_basic_auth("ann", "secret")}
            if in_session:
                async with session.post(f"{url}/api/experimental/session", headers=headers) as answer:
                    assert answer.status == 200
                headers = {}
            answer = await stack.enter_async_context(session.get(f"{url}{EVENTS}", headers=headers))
            assert answer.status == 200
            streams.append(stream := Stream(answer))
            reading = asyncio.create_task(stream.read())
            stack.callback(reading.cancel)
        await connection.execute(ADD, "d", "a", "running")
        for stream in streams:
            await stream.until(("run_created", "a", "running"))
        await connection.execute("UPDATE users SET password = 'another'")
        for stream in streams:
            await stream.until(("run_created", "a", "running"), ("end", "unauthorized"))


async def test_their_number_is_bounded(serve: Serve, connection: asyncpg.Connection) -> None:
    """In each process; who leaves makes room."""
    url = await serve(watch_interval="0.1", event_streams="2", user_check_seconds="0")
    async with following(url) as stream, aiohttp.ClientSession() as session:
        async with following(url), session.get(f"{url}{EVENTS}") as answer:
            assert (answer.status, (await answer.json())["code"]) == (503, "overloaded")
        await connection.execute(ADD, "d", "a", "running")
        await stream.until(("run_created", "a", "running"))

        async def is_free() -> bool:
            async with session.get(f"{url}{EVENTS}") as answer:
                return answer.status == 200

        await until(is_free, every=0.2)


async def test_a_lost_database(database: str, connection: asyncpg.Connection) -> None:
    """Streams go on, and miss nothing of runs."""
    async with live_server(database, watch_interval="0.1") as url, following(url) as stream:
        await connection.execute(ADD, "d", "a", "running")
        await stream.until(("run_created", "a", "running"))
        for _ in range(3):
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await connection.execute(ADD, "d", f"b{_}", "success")
        await connection.execute("UPDATE dag_run SET state = 'success'")
        await until(lambda: sum(one[0] == "run_ended" for one in stream.seen) == 4)
        assert [one for one in stream.seen if one[0] not in {"run_ended", "gap"}] == [
            ("run_created", run_id, state)
            for run_id, state in (("a", "running"), ("b0", "success"), ("b1", "success"), ("b2", "success"))
        ]


async def test_a_slow_reader(database: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told that it was too slow, or cut off; what it does not read is not kept for it."""
    monkeypatch.setattr(event_log, "_MOST", 50)
    monkeypatch.setattr(event_log, "_DROPPED", 10)
    async with live_server(database, watch_interval="0.1", write_timeout="100") as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=2**10)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        writer.write(f"GET {EVENTS} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        async with following(url) as quick:
            for n in range(30):
                await connection.execute(
                    "INSERT INTO dag_run (dag_id, run_id, execution_date, state)"
                    " SELECT 'd', $1 || i || repeat('x', 200), now() + $2 * interval '1 day' + i * interval '1 second',"
                    " 'success' FROM generate_series(1, 20) AS i",
                    f"r{n}-", n,
                )  # fmt: skip
                await until(partial(_has, quick, 40 * (n + 1)))
        said = b""
        with suppress(ConnectionError):
            while data := await reader.read(2**16):
                said += data
                if said.endswith(b"0\r\n\r\n"):
                    break
        writer.close()
        assert b'"reason":"too_slow"' in said
        assert len(said) < 300_000


async def test_tasks_of_a_standalone_database(
    database: str, tmp_path: Path, serve: Serve, connection: asyncpg.Connection
) -> None:
    """The scheduler says what becomes of them, at once; and only while somebody listens."""
    del connection
    async with bench(database, tmp_path) as b:
        await b.load({"d": {"tasks": {"a": bash("true"), "b": bash("false", "a")}}})
        url = await serve(watch_interval="60")
        async with b.scheduler(), following(url, "?dag_id=d") as stream, aiohttp.ClientSession() as session:
            async with session.post(f"{url}/api/experimental/dags/d/dag_runs", json={"run_id": "r"}) as answer:
                assert answer.status == 200
            await until(lambda: ("run_ended", "r", "failed") in stream.seen)
            tasks = [one[1:] for one in stream.seen if one[0] == "task_changed"]
            assert [one for one in tasks if one[0] == "a"] == [
                ("a", "r", state) for state in ("scheduled", "queued", "running", "success")
            ]
            assert [one for one in tasks if one[0] == "b"][-2:] == [("b", "r", "running"), ("b", "r", "failed")]
            assert stream.seen[0] == ("run_created", "r", "running")


async def test_a_run_is_created_before_its_tasks_change(serve: Serve, connection: asyncpg.Connection) -> None:
    """A task's state is heard at once, its run is found by a look: whatever comes first, readers get it in order."""
    url = await serve(watch_interval="60")
    states = ["scheduled", "queued", "running", "success"]
    runs = [f"r{n}" for n in range(60)]
    async with following(url, "?dag_id=d") as stream:
        for run_id in runs:
            await connection.execute(ADD, "d", run_id, "running")
            for state in states:
                notice = {"dag_id": "d", "execution_date": "", "run_id": run_id, "state": state, "task_id": "t"}
                await connection.execute(
                    "SELECT pg_notify($1, $2)", TASKS, json.dumps({**notice, "try_number": 1})
                )  # fmt: skip
        await until(lambda: len(stream.seen) == len(runs) * (1 + len(states)))
        for run_id in runs:
            seen = [one for one in stream.seen if run_id in one]
            assert seen == [
                ("run_created", run_id, "running"),
                *(("task_changed", "t", run_id, state) for state in states),
            ]


async def test_notices_of_others(
    serve: Serve, connection: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """Everybody who may connect to the database can send some: what is none ends nothing, and fills no log."""
    url = await serve(watch_interval="60")
    odd = ["", ",", "-1", "x", "1,,2", "1" * 20, "1" * 7999, "٣,٤", "[" * 7000, "null", '{"dag_id":1}']
    async with following(url) as stream:
        for channel, text in itertools.product((ENDED_RUNS, NEW_RUNS, TASKS), odd):
            await connection.execute("SELECT pg_notify($1, $2)", channel, text)
        await connection.execute(ADD, "d", "a", "running")
        await connection.execute("SELECT pg_notify($1, '')", ENDED_RUNS)
        await stream.until(("run_created", "a", "running"))
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING] == []


def _has(stream: Stream, many: int) -> bool:
    return len(stream.seen) == many


def _is_there(got: list[tuple[object, object]], wanted: tuple[object, object] | None) -> bool:
    return wanted is None or wanted in got


@pytest.mark.parametrize("kind", ["over HTTP", "straight on the database"])
async def test_the_clients(database: str, connection: asyncpg.Connection, kind: str) -> None:
    """A generator that goes on by itself, also when another server takes over; with a gap then."""
    got: list[tuple[object, object]] = []
    over_http = kind == "over HTTP"

    def read(client: JsonClient | LocalClient, last: str) -> None:
        with contextlib.closing(client.events(dag_id="d")) as events:
            for event in events:
                got.append((event["event"], event.get("run_id")))
                if event.get("run_id") == last:
                    return

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = str(sock.getsockname()[1])
    url = f"http://127.0.0.1:{port}"
    client = JsonClient(url) if over_http else LocalClient(config_for(database, watch_interval="0.1"))
    reading: asyncio.Task[None] | None = None
    for run_id in ("a", "b"):
        async with live_server(database, port=port, watch_interval="0.1"):
            reading = reading or asyncio.create_task(asyncio.to_thread(read, client, "b"))
            if over_http:
                # Until the stream is there.
                await until(partial(_is_there, got, ("gap", None) if run_id == "b" else None), every=0.1)
            await asyncio.sleep(1)
            await connection.execute(ADD, "e", run_id, "running")
            await connection.execute(ADD, "d", run_id, "running")
            await until(partial(_is_there, got, ("run_created", run_id)))
    assert reading is not None
    await reading
    await asyncio.to_thread(client.close)
    gap = [("gap", None)] if over_http else []
    assert got == [("run_created", "a"), *gap, ("run_created", "b")]
