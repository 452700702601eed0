"""Clients that do not read their answers: nobody waits for them for ever, nor keeps much for them."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress

import pytest
from aiohttp import web

from server.api.middleware import errors
from server.http.answers import json_bytes, json_list
from server.http.keys import CONFIG, TRAFFIC, Traffic
from server.serving.listener import serving_app
from tests.live import config_for
from tests.ways import fast_path

__all__ = ["fast_path"]

BIG = 4_000_000
_ESTABLISHED = 1
GET = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def small(_request: web.Request) -> web.Response:
    return json_bytes(b"x" * 500)


async def big(_request: web.Request) -> web.Response:
    return json_bytes(b"x" * BIG)


async def pages(request: web.Request) -> web.StreamResponse:
    async def make() -> AsyncIterator[list[str]]:
        for _ in range(40):
            yield ['"' + "x" * (BIG // 40) + '"']

    return await json_list(request, make(), {})  # type: ignore[arg-type]


async def closing(_request: web.Request) -> web.Response:
    response = json_bytes(b"x" * 1_000_000)
    response.force_close()
    return response


@asynccontextmanager
async def served(**options: str) -> AsyncIterator[tuple[str, int]]:
    config = config_for("postgresql://nowhere", **options)
    traffic = Traffic()
    app = web.Application(middlewares=[errors(config, traffic)])
    app[CONFIG], app[TRAFFIC] = config, traffic
    for handler in (small, big, pages, closing):
        app.router.add_get(f"/{handler.__name__}", handler)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0)
        async with serving_app(app, config, listening):
            yield listening.getsockname()[:2]


@contextmanager
def connected(address: tuple[str, int]) -> Iterator[socket.socket]:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(address)
        sock.setblocking(False)  # noqa: FBT003 - the socket's own signature
        yield sock


async def pipeline(sock: socket.socket, request: bytes) -> int:
    """Send requests for as long as they are taken; how many bytes were."""
    sent, idle = 0, 0
    with suppress(ConnectionError):
        while idle < 20:
            try:
                sent += sock.send(request * 1000)
                idle = 0
            except BlockingIOError:
                idle += 1
                await asyncio.sleep(0.02)
    return sent


async def until_ended(sock: socket.socket) -> None:
    """Wait until the client has heard of the end, without reading anything."""
    async with asyncio.timeout(60):
        while sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _ESTABLISHED:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("path", [b"small", b"big", b"pages", b"closing"])
async def test_a_client_that_never_reads_is_ended(path: bytes, fast_path: str) -> None:
    """Whatever it asks for, once or in a pipeline, `write_timeout` after it was first waited for; others are served."""
    async with served(fast_path=fast_path, write_timeout="1", shutdown_timeout="1", keepalive_timeout="60") as address:
        with connected(address) as sock:
            sock.send(GET % path)
            if path != b"closing":
                await pipeline(sock, GET % path)
            await until_ended(sock)
        reader, writer = await asyncio.open_connection(*address)
        writer.write(GET % b"small")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_no_more_is_read_while_answers_wait(fast_path: str) -> None:
    """Of a client that pipelines and never reads a little is taken, however long it goes on."""
    async with served(fast_path=fast_path, write_timeout="60", shutdown_timeout="1") as address:
        with connected(address) as sock:
            sent = await pipeline(sock, GET % b"big")
            # Nearly all of this is in the kernel's buffers.
            assert sent < 10_000_000


@pytest.mark.parametrize("path", [b"small", b"big", b"pages"])
async def test_a_stop_does_not_wait_for_them(path: bytes, fast_path: str) -> None:
    """It would be over after `shutdown_timeout`, or later."""
    with ExitStack() as stack:
        async with served(fast_path=fast_path, write_timeout="600", shutdown_timeout="60") as address:
            await pipeline(stack.enter_context(connected(address)), GET % path)
            begin = time.monotonic()
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize("path", [b"big", b"pages"])
async def test_a_stop_waits_for_who_reads(path: bytes, fast_path: str) -> None:
    """A slow reader gets its whole answer, although that takes longer than those who read nothing are given."""
    async with served(fast_path=fast_path, write_timeout="600", shutdown_timeout="60") as address:
        reader, writer = await asyncio.open_connection(*address, limit=4096)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        writer.write(GET % path)
        received = [await reader.read(1000)]
        await asyncio.sleep(0.2)

        async def read() -> None:
            while part := await reader.read(BIG // 30):
                received.append(part)
                await asyncio.sleep(0.01)
            writer.close()

        reading = asyncio.create_task(read())
    await reading
    assert sum(map(len, received)) > BIG


async def test_a_closing_answer_is_read_to_its_end(fast_path: str) -> None:
    """Requests behind it, which nobody reads, do not reset the connection before."""
    async with served(fast_path=fast_path, write_timeout="60", shutdown_timeout="1") as address:
        with connected(address) as sock:
            sock.send(GET % b"closing" + GET % b"small" * 100)
            received, loop = b"", asyncio.get_running_loop()
            async with asyncio.timeout(60):
                while part := await loop.sock_recv(sock, 65536):
                    received += part
                    with suppress(BlockingIOError, ConnectionError):
                        sock.send(GET % b"small")
        assert received.count(b"HTTP/1.1 ") == 1
        assert len(received) > 1_000_000
