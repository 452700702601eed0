"""What is broken in a soak. Each returns when its cause is over; `seen` is what callers may see of it but answers."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum

import asyncpg

from tests.faults.parts import signal_all
from tests.soak.ground import Ground
from tests.soak.ledger import BROKEN

_OURS = "FROM pg_stat_activity WHERE application_name = 'windsock'"
_END_ALL = f"SELECT pg_terminate_backend(pid) {_OURS}"


class Ends(IntEnum):
    """Which processes of the service a fault ends. Leaks show in those that live for long."""

    NOTHING = 0
    WORKERS = 1
    SERVICE = 2


Action = Callable[[Ground, random.Random], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """Something to break."""

    name: str
    break_it: Action
    seen: frozenset[int]
    ends: Ends


FAULTS: list[Fault] = []


def fault(*seen: int, ends: Ends = Ends.NOTHING) -> Callable[[Action], Action]:
    """List the function as a fault of which callers may see these statuses."""

    def enlist(action: Action) -> Action:
        FAULTS.append(Fault(action.__name__, action, frozenset(seen), ends))
        return action

    return enlist


@asynccontextmanager
async def _connection(ground: Ground) -> AsyncIterator[asyncpg.Connection]:
    conn = await ground.connect()
    try:
        yield conn
    finally:
        await conn.close()


@fault(503)
async def postgres_killed(ground: Ground, rng: random.Random) -> None:
    """SIGKILL of all of Postgres, which comes back after a while."""
    process = ground.postgres._process
    assert process is not None
    signal_all(ground.postgres, signal.SIGKILL)
    await process.wait()
    await asyncio.sleep(rng.uniform(0, 4))
    await ground.postgres._restart()


@fault(503)
async def postgres_restarted(ground: Ground, _rng: random.Random) -> None:
    """A fast shutdown and a start."""
    process = ground.postgres._process
    assert process is not None
    process.send_signal(signal.SIGINT)
    await process.wait()
    await ground.postgres._launch()


@fault(503)
async def postgres_frozen(ground: Ground, rng: random.Random) -> None:
    """SIGSTOP for some seconds."""
    signal_all(ground.postgres, signal.SIGSTOP)
    try:
        await asyncio.sleep(rng.uniform(5, 10))
    finally:
        signal_all(ground.postgres, signal.SIGCONT)


@fault(503)
async def backends_ended(ground: Ground, _rng: random.Random) -> None:
    """pg_terminate_backend of all, again and again."""
    async with _connection(ground) as conn:
        for _ in range(10):
            await conn.execute(_END_ALL)
            await asyncio.sleep(0.2)


@fault(503)
async def connections_exhausted(ground: Ground, rng: random.Random) -> None:
    """Somebody else holds all connections."""
    taken = [await ground.connect()]
    try:
        while True:
            await taken[0].execute(_END_ALL)
            taken.append(await ground.connect())
    except asyncpg.TooManyConnectionsError:
        await taken[0].execute(_END_ALL)
        await asyncio.sleep(rng.uniform(2, 6))
    finally:
        for connection in taken:
            await connection.close()


@fault(503)
async def read_only(ground: Ground, rng: random.Random) -> None:
    """Postgres takes no changes for a while."""
    async with _connection(ground) as conn:
        await conn.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
        await conn.execute(_END_ALL)
        await asyncio.sleep(rng.uniform(1, 4))
        await conn.execute("SET default_transaction_read_only = off")
        await conn.execute("ALTER DATABASE postgres RESET default_transaction_read_only")
        await conn.execute(_END_ALL)


@fault(503)
async def table_locked(ground: Ground, rng: random.Random) -> None:
    """Somebody holds the table of runs."""
    async with _connection(ground) as conn, conn.transaction():
        await conn.execute("LOCK TABLE dag_run IN ACCESS EXCLUSIVE MODE")
        await asyncio.sleep(rng.uniform(2, 6))


@fault(503)
async def network_cut(ground: Ground, rng: random.Random) -> None:
    """All connections to Postgres break, and there is no way to new ones."""
    ground.network.cut = True
    ground.network.break_all()
    await asyncio.sleep(rng.uniform(1, 6))
    ground.network.cut = False


@fault()
async def network_slow(ground: Ground, rng: random.Random) -> None:
    """Each packet takes its time; nobody fails."""
    ground.network.delay = 0.1
    await asyncio.sleep(rng.uniform(3, 8))
    ground.network.delay = 0.0


@fault()
async def slow_clients(ground: Ground, _rng: random.Random) -> None:
    """Many whose heads and bodies trickle in; nobody else notices."""

    async def trickle(head: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", ground.port)
        ended = asyncio.create_task(reader.read())
        writer.write(head)
        while not ended.done():
            writer.write(b"a")
            await asyncio.wait({ended}, timeout=0.5)
        await asyncio.gather(ended, return_exceptions=True)
        writer.transport.abort()

    heads = (
        b"GET /api/experimental/test HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        b"POST /api/experimental/dags/soak0/dag_runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000\r\n\r\n",
    )
    async with asyncio.timeout(60):
        await asyncio.gather(*(trickle(heads[number % 2]) for number in range(60)))


@fault()
async def clients_vanish(ground: Ground, _rng: random.Random) -> None:
    """Many who connect and leave at once."""
    for _ in range(300):
        _, writer = await asyncio.open_connection("127.0.0.1", ground.port)
        writer.write(b"GET /api/experimental/latest_runs HTTP/1.1\r\nHost: localhost\r\n\r\n")
        writer.transport.abort()


@fault(BROKEN, ends=Ends.WORKERS)
async def worker_killed(ground: Ground, rng: random.Random) -> None:
    """SIGKILL of a worker: its connections break."""
    os.kill(rng.choice(ground.service.workers()), signal.SIGKILL)


@fault(BROKEN, ends=Ends.WORKERS)
async def reloaded(ground: Ground, _rng: random.Random) -> None:
    """SIGHUP: other workers take over. Who sends into an idle connection while it is closed sees it broken."""
    await asyncio.to_thread(ground.service.reload, '"reloaded"')


@fault(BROKEN, ends=Ends.SERVICE)
async def service_restarted(ground: Ground, _rng: random.Random) -> None:
    """SIGTERM and a new start on the same socket, in which callers wait meanwhile."""
    status = await ground.stop_service()
    assert status == 0, f"the service ended with {status}"
    await ground.start_service()
