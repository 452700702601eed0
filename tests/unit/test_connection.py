"""A connection: ordinary requests are served at once, what else comes is aiohttp's, and nobody sees a difference."""

import asyncio
import gc
import socket
import weakref
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from aiohttp.web_protocol import RequestHandler

from server.api.middleware import errors
from server.fast.connection import FastProtocol
from server.fast.dispatch import dispatcher
from server.http.answers import json_bytes
from server.http.body import read_body
from server.http.keys import CONFIG, TRAFFIC, Traffic
from server.http.shortcuts import SHORTCUTS
from server.serving.listener import serving_app
from tests.live import config_for
from tests.until import until
from tests.ways import fast_path

__all__ = ["fast_path"]

GET = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Connection:
    """A client's side of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of the next answer; status 0 when the connection has ended."""
        async with asyncio.timeout(5):
            try:
                head = await self._reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError as error:
                return 0, error.partial
            length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            return int(head.split()[1]), await self._reader.readexactly(int(length.split()[1]))

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Connections that became aiohttp's; on the plain way all are from the start."""
    seen: list[object] = []
    start = RequestHandler.start

    async def spy(connection: RequestHandler) -> None:
        seen.append(connection)
        await start(connection)

    monkeypatch.setattr(RequestHandler, "start", spy)
    return seen


class Service:
    """What the tests ask of: `/name` answers the name, `/wait` when `gate` is open, POST the body."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.requests: list[weakref.ref[web.Request]] = []

    async def name(self, request: web.Request) -> web.Response:
        self.requests.append(weakref.ref(request))
        if request.path == "/wait":
            await self.gate.wait()
        if request.path == "/gone":
            raise ConnectionResetError
        return json_bytes(request.match_info["name"].encode())

    async def body(self, request: web.Request) -> web.Response:
        return json_bytes(await read_body(request))


class Client:
    """Opens connections to the service."""

    def __init__(self, service: Service, address: tuple[str, int]) -> None:
        self.service = service
        self._address = address
        self._connections: list[Connection] = []

    async def open(self) -> Connection:
        self._connections.append(Connection(*await asyncio.open_connection(*self._address)))
        return self._connections[-1]

    async def close(self) -> None:
        for connection in self._connections:
            await connection.close()


@pytest.fixture
async def client(fast_path: str) -> AsyncIterator[Client]:
    config = config_for("postgresql://nowhere", shutdown_timeout="1", keepalive_timeout="1", fast_path=fast_path)
    service = Service()
    app = web.Application(middlewares=[errors(config, Traffic())])
    app[CONFIG], app[TRAFFIC] = config, Traffic()
    app.router.add_get("/{name}", service.name)
    app.router.add_post("/{name}", service.body)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(0)
    async with serving_app(app, config, listening):
        client = Client(service, listening.getsockname())
        yield client
        await client.close()


async def test_requests_of_a_connection_follow_each_other(
    client: Client, handed_over: list[object], fast_path: str
) -> None:
    """Also POSTs whose body came with the head; other connections do not wait."""
    first, second = await client.open(), await client.open()
    first.send(GET % b"wait")
    for name in (b"a", b"b"):
        second.send(GET % name)
        assert await second.answer() == (200, name)
    second.send(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody")
    assert await second.answer() == (200, b"body")
    client.service.gate.set()
    assert await first.answer() == (200, b"wait")
    assert len(handed_over) == (0 if fast_path == "True" else 2)


async def test_pipelined_requests_are_answered_in_their_order(client: Client, handed_over: list[object]) -> None:
    """Together from the start, or while another one is under way."""
    connection = await client.open()
    connection.send(GET % b"a" + GET % b"b")
    assert [await connection.answer() for _ in range(2)] == [(200, b"a"), (200, b"b")]
    assert len(handed_over) == 1
    connection = await client.open()
    connection.send(GET % b"wait")
    await asyncio.sleep(0.05)
    connection.send(b"".join(GET % b"n%d" % number for number in range(100)))
    await asyncio.sleep(0.05)
    client.service.gate.set()
    assert await connection.answer() == (200, b"wait")
    assert [await connection.answer() for _ in range(100)] == [(200, b"n%d" % number) for number in range(100)]
    assert len(handed_over) == 2


async def test_a_body_that_comes_later_is_waited_for(client: Client, handed_over: list[object]) -> None:
    """In pieces, and the connection goes on after it."""
    connection = await client.open()
    connection.send(GET % b"a")
    assert await connection.answer() == (200, b"a")
    for part in (b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n", b"bo", b"dy"):
        connection.send(part)
        await asyncio.sleep(0.05)
    assert await connection.answer() == (200, b"body")
    connection.send(GET % b"b")
    assert await connection.answer() == (200, b"b")
    assert len(handed_over) == 1


@pytest.mark.parametrize("feeds", [True, False])
@pytest.mark.parametrize("behind", [31, 32, 47, 48, 64, 100])
async def test_many_may_follow_a_body_that_comes_later(
    client: Client, behind: int, *, feeds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as the parser takes at a time, and more; each is answered, also where aiohttp's parser is left alone."""
    if not feeds:
        monkeypatch.setattr(SHORTCUTS, "feeder", None)
    connection = await client.open()
    connection.send(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbo")
    await asyncio.sleep(0.05)
    connection.send(b"dy" + b"".join(GET % b"n%d" % number for number in range(behind)))
    assert await connection.answer() == (200, b"body")
    assert [await connection.answer() for _ in range(behind)] == [(200, b"n%d" % number) for number in range(behind)]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (b"nonsense\r\n\r\n", [400, 0]),
        (b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", [200, 0]),
        (b"GET /a HTTP/1.0\r\n\r\n", [200, 0]),
        (b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2, [200, 200]),
        (
            b"POST /x HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GET % b"a",
            [200, 0],
        ),
        (b"GET /a HTTP/1.1\r\nHost: h\r\nExpect: something\r\n\r\n", [417]),
        (b"GET /a/b/c HTTP/1.1\r\nHost: h\r\n\r\n", [404]),
        (b"PUT /a HTTP/1.1\r\nHost: h\r\n\r\n", [405]),
        (b"GET /gone HTTP/1.1\r\nHost: h\r\n\r\n", [0]),
    ],
)
async def test_what_is_not_plain_is_answered_too(client: Client, request_: bytes, expected: list[int]) -> None:
    """As the first request of a connection, and after others."""
    for before in ([], [b"a"]):
        connection = await client.open()
        for name in before:
            connection.send(GET % name)
            assert await connection.answer() == (200, name)
        connection.send(request_)
        assert [(await connection.answer())[0] for _ in expected] == expected


async def test_idle_connections_end(client: Client) -> None:
    """After `keepalive_timeout` (1 s), counted from the last answer; not while one is waited for."""
    idle, busy = await client.open(), await client.open()
    busy.send(GET % b"wait")
    for pause in (0.0, 0.7):
        await asyncio.sleep(pause)
        idle.send(GET % b"a")
        assert await idle.answer() == (200, b"a")
    await asyncio.sleep(0.6)
    idle.send(GET % b"b")
    assert [await idle.answer(), await idle.answer()] == [(200, b"b"), (0, b"")]
    client.service.gate.set()
    assert [await busy.answer(), await busy.answer()] == [(200, b"wait"), (0, b"")]


@pytest.mark.parametrize("fast_path", ["True"])
async def test_a_client_that_leaves_leaves_nothing(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """Neither during its request nor after it, nor a line of log; an idle connection holds no request either."""
    idle, leaving, gone = await client.open(), await client.open(), await client.open()
    idle.send(GET % b"a")
    assert await idle.answer() == (200, b"a")
    gone.send(GET % b"gone")
    assert (await gone.answer())[0] == 0
    leaving.send(GET % b"wait")
    await until(lambda: len(client.service.requests) == 3)
    await leaving.close()
    # Nothing says when the server has seen that, and the answer is to come after it.
    await asyncio.sleep(0.05)
    client.service.gate.set()

    def nothing_is_left() -> bool:
        gc.collect()
        return [request() for request in client.service.requests] == [None] * 3

    await until(nothing_is_left)
    assert caplog.text == ""


@pytest.mark.parametrize("fast_path", ["True"])
async def test_an_error_of_ours_ends_the_connection(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One outside of every middleware: its client is not left waiting."""
    connection = await client.open()

    def broken(*_: object) -> bool:
        raise ValueError

    monkeypatch.setattr(FastProtocol, "_write_whole", broken)
    connection.send(GET % b"a")
    assert (await connection.answer())[0] == 0
    gc.collect()
    assert "Task exception was never retrieved" in caplog.text


async def test_middlewares_are_called_from_the_outside_in() -> None:
    """In the order in which the application lists them, each around those after it."""
    called: list[str] = []

    def named(name: str) -> object:
        @web.middleware
        async def middleware(request: web.Request, handler: object) -> web.StreamResponse:
            called.append(name)
            response: web.StreamResponse = await handler(request)  # type: ignore[operator]
            called.append(f"/{name}")
            return response

        return middleware

    async def endpoint(_request: web.Request) -> web.Response:
        called.append("endpoint")
        return json_bytes(b"{}")

    app = web.Application(middlewares=[named("a"), named("b"), named("c")])  # type: ignore[list-item]
    app.router.add_get("/", endpoint)
    request = make_mocked_request("GET", "/")
    assert (await dispatcher(app)(request)).status == 200
    assert called == ["a", "b", "c", "endpoint", "/c", "/b", "/a"]
    assert request.app is app
