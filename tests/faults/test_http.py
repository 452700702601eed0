"""What clients may do to the service. Each time: what they see, others notice nothing, it recovers by itself."""

import asyncio
import contextlib
import json
import re
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from tests.acceptance.process import wait_until
from tests.faults.conftest import Victim
from tests.ways import fast_path

__all__ = ["fast_path"]

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
TEST = b"GET /api/experimental/test HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /api/experimental/dags/d/dag_runs HTTP/1.1\r\nHost: localhost\r\n"
MANY = 10_000
LONG = """
INSERT INTO dag_run (dag_id, run_id, execution_date, state)
SELECT 'd', 'long-' || n, timestamptz '2021-01-01' + n * interval '1 minute', 'success'
FROM generate_series(1, 60000) AS n;
INSERT INTO dag (dag_id, is_subdag, is_active) SELECT 'long-' || n, false, true FROM generate_series(1, 60000) AS n
"""


@pytest.fixture
def descriptors() -> Iterator[int]:
    """Let this process have as many as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@asynccontextmanager
async def connected(victim: Victim) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", victim.service.port)
    yield reader, writer
    writer.transport.abort()


async def exchange(victim: Victim, data: bytes, seconds: float = 15) -> bytes:
    """All that comes back until the service closes the connection, or for two seconds where it leaves it open."""
    async with connected(victim) as (reader, writer):
        writer.write(data)
        received = b""
        try:
            async with asyncio.timeout(seconds):
                while part := await reader.read(65536):
                    received += part
        except ConnectionError:
            pass
        return received


async def test_slowloris(victim: Victim) -> None:
    """Headers that trickle in: others are served, and such connections are closed when an idle one would be."""
    async with asyncio.TaskGroup() as tasks:

        async def trickle() -> float:
            start = asyncio.get_running_loop().time()
            async with connected(victim) as (reader, writer):
                ended = asyncio.create_task(reader.read())
                writer.write(TEST[:-2] + b"X-Slow: ")
                while not ended.done():
                    writer.write(b"a")
                    await asyncio.wait({ended}, timeout=0.3)
            return asyncio.get_running_loop().time() - start

        slow = [tasks.create_task(trickle()) for _ in range(200)]
        assert (await victim.get("/test", timeout=5))[0] == 200
    # Longer than a refusal, which would mean that nothing was slow here.
    assert all(1 < task.result() < 30 for task in slow)
    await victim.recovers()


async def test_half_bodies(victim: Victim) -> None:
    """A body that does not come: 408 after body_timeout, and nothing was triggered."""
    data = POST + b'Content-Length: 100\r\n\r\n{"run_id": "half"'
    answers = await asyncio.gather(*(exchange(victim, data) for _ in range(20)))
    assert {answer.split(b" ")[1] for answer in answers} == {b"408"}
    assert "half" not in str((await victim.get())[1])
    await victim.recovers()


async def test_pipelining(victim: Victim) -> None:
    """Requests sent without waiting are answered one by one, in their order, and pass nobody by."""
    async with connected(victim) as (reader, writer):
        writer.write(TEST + TEST.replace(b"/test", b"/nope") + TEST * 48)
        received = b""
        async with asyncio.timeout(20):
            while received.count(b"HTTP/1.1 ") < 50 or not received.endswith(b"}\n"):
                received += await reader.read(65536)
    statuses = [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"404", *[b"200"] * 48]


async def test_oversized_heads(victim: Victim) -> None:
    """Headers and URLs beyond all measure are refused, and the connection is closed."""
    for head in (
        b"GET /api/experimental/test HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET /api/experimental/" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /api/experimental/test HTTP/1.1\r\nHost: localhost\r\n" + b"X-Many: 1\r\n" * 100_000 + b"\r\n",
    ):
        answer = await exchange(victim, head)
        assert answer == b"" or answer.split(b" ")[1] in {b"400", b"431"}
        assert b"aaaa" not in answer
    await victim.recovers()


SMUGGLED = b"GET /api/experimental/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: 62\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: +0\r\n\r\n",
        b"Content-Length: 0x0\r\n\r\n",
        b"X: 1\r\n Content-Length: 62\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0_0\r\n\r\n",
        b"X: a\x00b\r\n\r\n",
    ],
)
async def test_smuggling(shared_victim: Victim, head: bytes) -> None:
    """A message whose length two parsers could see differently is one 400, and what follows it is never read."""
    answer = await exchange(shared_victim, POST + head + SMUGGLED)
    assert re.findall(rb"HTTP/1\.[01] (\d+)", answer) == [b"400"]


async def test_clients_that_vanish(victim: Victim) -> None:
    """Whoever leaves in the middle of a trigger takes nothing along: no connection, no slot, no other's answer."""
    for number in range(300):
        body = json.dumps({"run_id": f"gone-{number}"}).encode()
        async with connected(victim) as (_, writer):
            writer.write(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body[: None if number % 2 else 5])
            await writer.drain()
    await victim.recovers()

    def quiet() -> bool:
        metrics = victim.service.metrics()
        busy = metrics['windsock_pool_connections{state="busy"}']
        return busy == 0 and metrics["windsock_requests_in_flight"] == 0

    await asyncio.to_thread(wait_until, quiet)
    # Nor does it fill the log with what nobody has to mend.
    assert "unexpected error" not in victim.service.log


@asynccontextmanager
async def long_lists(victim: Victim, path: str, clients: int = 12) -> AsyncIterator[list[socket.socket]]:
    """Connect clients, more than there are database connections, that ask for a long list and read nothing of it."""
    conn = await asyncpg.connect(victim.postgres.dsn)
    await conn.execute(LONG)
    await conn.close()
    socks = [socket.socket() for _ in range(clients)]
    for sock in socks:
        # What the kernel takes for a client is small beside the list.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", victim.service.port))
        sock.sendall(f"GET /api/experimental{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    try:
        await asyncio.to_thread(wait_until, lambda: busy(victim) > 0)
        await asyncio.sleep(0.5)
        yield socks
    finally:
        for sock in socks:
            sock.close()


def busy(victim: Victim) -> float:
    """Database connections that requests hold."""
    return victim.service.metrics()['windsock_pool_connections{state="busy"}']


@pytest.mark.parametrize("path", ["/dags", "/dags/d/dag_runs"])
async def test_lists_whose_readers_vanish(victim: Victim, path: str) -> None:
    """Whoever leaves in the middle of a long list takes no database connection along."""
    async with long_lists(victim, path):
        pass
    await asyncio.to_thread(wait_until, lambda: busy(victim) == 0, 5)
    assert (await victim.get("/pools"))[0] == 200
    assert "unexpected error" not in victim.service.log
    await victim.recovers()


async def test_lists_that_nobody_reads(victim: Victim) -> None:
    """Slow readers take half of the database connections at most, and none once their time is over."""
    async with long_lists(victim, "/dags"):
        for _ in range(10):
            assert (await victim.get("/pools", timeout=5))[0] == 200
        await asyncio.to_thread(wait_until, lambda: busy(victim) == 0, 10)
    assert "unexpected error" not in victim.service.log
    await victim.recovers()


async def test_a_list_that_fails_breaks_off(victim: Victim) -> None:
    """Its reader sees no end of it and no other answer within it, but a connection that breaks."""
    async with long_lists(victim, "/dags", clients=1) as [sock]:
        conn = await asyncpg.connect(victim.postgres.dsn)
        await conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'windsock'")
        await conn.close()
        received = await asyncio.to_thread(everything, sock)
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.count(b"HTTP/1.1 ") == 1
    assert not received.endswith(b"0\r\n\r\n")
    assert "database unavailable" in victim.service.log
    await victim.recovers()


def everything(sock: socket.socket) -> bytes:
    """All that comes until the connection ends."""
    sock.settimeout(10)
    received = b""
    with contextlib.suppress(ConnectionError):
        while part := sock.recv(65536):
            received += part
    return received


async def test_ten_thousand_idle_connections(victim: Victim, descriptors: int) -> None:
    """They cost memory alone: others are served at once, and they are closed when their time is over."""
    assert descriptors > MANY + 100, "ulimit -Hn is too small for this test"
    gate = asyncio.Semaphore(200)

    async def idle() -> Streams:
        async with gate:
            return await asyncio.open_connection("127.0.0.1", victim.service.port)

    streams = await asyncio.gather(*(idle() for _ in range(MANY)))
    assert (await victim.get("/test", timeout=10))[0] == 200
    async with asyncio.timeout(60):
        await asyncio.gather(*(reader.read() for reader, _ in streams))
    for _, writer in streams:
        writer.transport.abort()
    assert victim.service.metrics()["windsock_resident_memory_bytes"] < 2**30
    await victim.recovers()
