"""What those cost who wait for runs (`?wait=`) or follow events, all in one process of a standalone service.

The rows are not compared with other servers: none of them can wait.
"""

import asyncio
import contextlib
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median

import asyncpg

from bench import cache, memory
from server.database.notices import ENDED_RUNS
from server.database.schema import initdb
from server.database.statements import load
from server.standalone.postgres import EmbeddedPostgres
from windsock.config import Dsn

WAITERS, STREAMS = 10_000, 1_000
_PORT, _INTERVAL = 18_297, 1.0
_AT_A_TIME = 200
_SECONDS = 15
_WAKES = 60
_HEAD = b"Host: localhost\r\n\r\n"
_READY = 60.0
# What the issue of waiting is held against.
BARS = {"statements_an_interval": 1.0, "kilobytes_each": 20.0, "p99_ratio": 1.1, "wake_ms": 50.0}
_STATEMENTS = load("fragments.sql", "scheduler.sql")

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Row:
    """What one of `number` costs beyond an idle connection, all of them, and how soon it learns of a run's end."""

    what: str
    number: int
    kilobytes_each: float
    statements_an_interval: float
    p99_before_ms: float
    p99_ms: float
    wake_ms: float
    all_ms: float

    @property
    def p99_ratio(self) -> float:
        """The p99 of other requests, divided by that beside as many idle connections."""
        return self.p99_ms / self.p99_before_ms

    def shown(self) -> dict[str, object]:
        """The row, and which bars it keeps."""
        values = {**asdict(self), "p99_ratio": round(self.p99_ratio, 2)}
        return {**values, "met": {name: values[name] <= limit for name, limit in BARS.items()}}


def measure(postgres: EmbeddedPostgres, runner: asyncio.Runner) -> list[dict[str, object]]:
    """Measure both rows on that Postgres."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rows = ("wait", WAITERS), ("events", STREAMS)
    return [runner.run(_row(postgres, what, number)).shown() for what, number in rows]


async def _row(postgres: EmbeddedPostgres, what: str, number: int) -> Row:
    dsn = await _database(postgres, number)
    async with _server(dsn) as pid:
        database = await asyncpg.connect(dsn)
        connections = await _connections(number)
        await asyncio.sleep(2)
        idle, before = memory.resident(pid), await _p99()
        paths = [_path(what, n) for n in range(1, number + 1)]
        for (_, writer), path in zip(connections, paths, strict=True):
            writer.write(b"GET " + path + b" HTTP/1.1\r\n" + _HEAD)
        await asyncio.sleep(_SECONDS)
        each = (memory.resident(pid) - idle) * 1024 / number
        begun, statements = time.monotonic(), await _commits(database)
        p99 = await _p99()
        # The two statements that count are among them, and the requests have none.
        counted = await _commits(database) - statements - 1
        intervals = (time.monotonic() - begun) / _INTERVAL
        wakes = [await _wake(database, connections[n : n + 1], [n + 1], _answer(what, n + 1)) for n in range(_WAKES)]
        # All waiters wait for other runs; all streams have the end of each run.
        last = range(_WAKES + 1, number + 1)
        took = await (
            _wake(database, connections[_WAKES:], last, _answer(what, number))
            if what == "wait"
            else _wake(database, connections, last[-1:], _answer(what, number))
        )
        for _, writer in connections:
            writer.close()
        await database.close()
    return Row(
        what, number, round(each, 1), round(counted / intervals, 2), round(before * 1000, 2), round(p99 * 1000, 2),
        round(median(wakes) * 1000, 1), round(took * 1000),
    )  # fmt: skip


def _path(what: str, number: int) -> bytes:
    """Wait for a run, or follow the events of all."""
    api = b"/api/experimental"
    return api + (b"/dags/d/dag_runs/run_id=r%d?wait=600" % number if what == "wait" else b"/events")


async def _database(postgres: EmbeddedPostgres, runs: int) -> str:
    """Make a standalone database with that many runs under way."""
    name = f"waiting_{runs}"
    connection = await asyncpg.connect(postgres.dsn)
    await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    dsn = postgres.dsn_of(name)
    await initdb(Dsn.parse(dsn))
    connection = await asyncpg.connect(dsn)
    await connection.execute("INSERT INTO dag (dag_id, is_paused, is_active) VALUES ('d', false, true)")
    await connection.execute(
        "INSERT INTO dag_run (dag_id, run_id, execution_date, state, external_trigger)"
        " SELECT 'd', 'r' || n, now() + n * interval '1 second', 'running', true FROM generate_series(1, $1) AS n",
        runs,
    )
    await connection.execute("VACUUM ANALYZE dag_run")
    await connection.close()
    return dsn


@contextlib.asynccontextmanager
async def _server(dsn: str) -> AsyncIterator[int]:
    """Serve with one worker; yields the process id of its parent."""
    options = {
        "AIRFLOW__CORE__SQL_ALCHEMY_CONN": dsn, "AIRFLOW__WINDSOCK__PORT": str(_PORT),
        "AIRFLOW__WINDSOCK__WAIT_LIMIT": "600", "AIRFLOW__WINDSOCK__WORKERS": "1",
        "AIRFLOW__API__AUTH_BACKEND": "default",
        "AIRFLOW__WINDSOCK__ACCESS_LOG": "False", "AIRFLOW__WINDSOCK__WATCH_INTERVAL": str(_INTERVAL),
        "AIRFLOW__WINDSOCK__KEEPALIVE_TIMEOUT": "600",
    }  # fmt: skip
    command = [str(cache.ROOT / ".venv" / "bin" / "windsock"), "webserver"]
    with (cache.CACHE / "waiting.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **options}, stdout=log, stderr=log)
    try:
        async with asyncio.timeout(_READY):
            while True:
                with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                    await _connection()
                    break
                await asyncio.sleep(0.1)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


async def _connection() -> Connection:
    """Connect, and send a request, so that the connection is as large as an idle one becomes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", _PORT)
    await _test(reader, writer)
    return reader, writer


async def _test(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET /api/experimental/test HTTP/1.1\r\n" + _HEAD)
    await reader.readuntil(b"\r\n\r\n")
    await reader.readuntil(b"}\n")


async def _connections(number: int) -> list[Connection]:
    found: list[Connection] = []
    for _ in range(0, number, _AT_A_TIME):
        found += await asyncio.gather(*(_connection() for _ in range(_AT_A_TIME)))
    return found


async def _p99() -> float:
    """Ask again and again for some seconds, as one caller does who does not wait; in seconds."""
    reader, writer = await _connection()
    taken, end = [], time.monotonic() + _SECONDS
    while time.monotonic() < end:
        begun = time.perf_counter()
        await _test(reader, writer)
        taken.append(time.perf_counter() - begun)
        await asyncio.sleep(0.002)
    writer.close()
    return sorted(taken)[int(len(taken) * 0.99)]


async def _commits(database: asyncpg.Connection) -> int:
    """Return how many transactions there were; sessions tell when they are idle for a second."""
    await database.execute("SELECT pg_stat_clear_snapshot()")
    await asyncio.sleep(1.5)
    number: int = await database.fetchval("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
    return number


async def _end(database: asyncpg.Connection, runs: Sequence[int]) -> None:
    """End runs as the scheduler does."""
    await database.execute(_STATEMENTS["finish_runs"], list(runs), ["success"] * len(runs), ENDED_RUNS)


async def _wake(
    database: asyncpg.Connection, connections: Sequence[Connection], runs: Sequence[int], answer: bytes
) -> float:
    """End runs; return after how many seconds everybody knew it who waits on these connections."""
    begun = time.perf_counter()
    await _end(database, runs)
    await asyncio.gather(*(reader.readuntil(answer) for reader, _ in connections))
    return time.perf_counter() - begun


def _answer(what: str, run: int) -> bytes:
    return b'{"state":"success"}' if what == "wait" else b'"run_id":"r%d","state":"success"}' % run


def tables(rows: Sequence[dict[str, object]]) -> str:
    """Show the rows as Markdown."""
    names = {
        "wait": "waiters (`?wait=`)",
        "events": "event streams",
    }
    head = [
        "In one process", "Memory each", "Statements an interval", "p99 of other requests, before", "and meanwhile",
        "An end is known after", "by all, of all runs, after",
    ]  # fmt: skip
    lines = [
        f"{row['number']:,} {names[str(row['what'])]} | {row['kilobytes_each']} KB | {row['statements_an_interval']}"
        f" | {row['p99_before_ms']} ms | {row['p99_ms']} ms | {row['wake_ms']} ms | {row['all_ms']} ms"
        for row in rows
    ]
    return "\n".join(f"| {line} |" for line in (" | ".join(head), "|".join(["---"] * len(head)), *lines)) + "\n"
