"""An answer that is written at once is the one that aiohttp would have written."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from server.api.middleware import errors
from server.http.answers import json_bytes, json_list
from server.http.keys import TRAFFIC, Traffic
from server.serving.listener import serving_app
from tests.live import config_for
from tests.ways import fast_path

__all__ = ["fast_path"]

BODY = b'{"a": 1}\n'
Reply = tuple[str, dict[str, str], bytes]
Ask = Callable[..., Awaitable[Reply]]


async def plain(_request: web.Request) -> web.Response:
    return json_bytes(BODY, headers={"X-Total-Count": "1"})


async def closing(_request: web.Request) -> web.Response:
    response = json_bytes(BODY)
    response.force_close()
    return response


async def cookie(_request: web.Request) -> web.Response:
    response = json_bytes(BODY, status=201)
    response.set_cookie("a", "b")
    return response


async def injected(_request: web.Request) -> web.Response:
    return json_bytes(BODY, headers={"X-Total-Count": "1\r\nX-Evil: 1"})


async def long(request: web.Request) -> web.StreamResponse:
    async def pages() -> AsyncGenerator[list[str], None]:
        for page in (["1"], ["2"], ["3"]):
            yield page

    return await json_list(request, pages(), {"X-Total-Count": "3"})


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Methods of the requests that were answered aiohttp's way."""
    seen: list[str] = []
    prepare = web.StreamResponse.prepare

    async def spy(response: web.StreamResponse, request: web.BaseRequest) -> object:
        seen.append(request.method)
        return await prepare(response, request)

    monkeypatch.setattr(web.StreamResponse, "prepare", spy)
    return seen


@pytest.fixture
async def ask(fast_path: str) -> AsyncIterator[Ask]:
    config, traffic = config_for("postgresql://nowhere", shutdown_timeout="1", fast_path=fast_path), Traffic()
    app = web.Application(middlewares=[errors(config, traffic)])
    app[TRAFFIC] = traffic
    app.router.add_get("/plain", plain)
    app.router.add_get("/closing", closing)
    app.router.add_get("/cookie", cookie)
    app.router.add_get("/injected", injected)
    app.router.add_get("/long", long)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(0)
    async with serving_app(app, config, listening):
        address = listening.getsockname()

        async def request(path: str, method: str = "GET", version: str = "1.1", *headers: str) -> Reply:
            """Status line, headers and the rest, until the connection ends or a moment has passed."""
            reader, writer = await asyncio.open_connection(*address)
            writer.write("\r\n".join([f"{method} {path} HTTP/{version}", "Host: localhost", *headers, "", ""]).encode())
            head, _, body = (await read(reader)).partition(b"\r\n\r\n")
            writer.close()
            status, *lines = head.decode().split("\r\n")
            return status, dict(line.split(": ", 1) for line in lines), body

        yield request


async def read(reader: asyncio.StreamReader) -> bytes:
    data = b""
    try:
        async with asyncio.timeout(0.2):
            while part := await reader.read(65536):
                data += part
            return data + b"(end)"
    except TimeoutError:
        return data


async def test_at_once_or_not_it_reads_the_same(ask: Ask, slowly: list[str], fast_path: str) -> None:
    """GET is written at once, HEAD, HTTP/1.0 and a client that closes get the same head from aiohttp."""
    status, headers, body = await ask("/plain")
    assert (status, body, slowly) == ("HTTP/1.1 200 OK", BODY, [] if fast_path == "True" else ["GET"])
    slowly.clear()
    assert set(headers) == {"Content-Type", "Server", "X-Total-Count", "X-Request-ID", "Content-Length", "Date"}
    others = [
        await ask("/plain", "HEAD"),
        await ask("/plain", "GET", "1.0", "Connection: keep-alive"),
        await ask("/plain", "GET", "1.1", "Connection: close"),
    ]
    assert slowly == ["HEAD", "GET", "GET"]
    varying = {"Date": "", "Connection": "", "X-Request-ID": ""}
    for _, other, _ in others:
        assert {**other, **varying} == {**headers, **varying}
    assert [other.get("Connection") for _, other, _ in others] == [None, "keep-alive", "close"]
    assert [body for _, _, body in others] == [b"", BODY, BODY + b"(end)"]


async def test_what_is_out_of_the_ordinary_is_kept(ask: Ask) -> None:
    """A cookie is sent, and an answer that closes its connection says so and does."""
    status, headers, body = await ask("/cookie")
    assert (status, headers["Set-Cookie"], body) == ("HTTP/1.1 201 Created", "a=b; Path=/", BODY)
    _, headers, body = await ask("/closing")
    assert (headers["Connection"], body) == ("close", BODY + b"(end)")


async def test_a_header_cannot_begin_another_line(ask: Ask) -> None:
    """Nothing is answered rather than a header that somebody smuggled in."""
    status, _, body = await ask("/injected")
    assert (status, body) == ("(end)", b"")


async def test_a_long_list_ends_where_its_reader_expects_it(ask: Ask) -> None:
    """HEAD has no body and leaves the connection usable; HTTP/1.0 has no chunks, so its connection ends."""
    status, headers, body = await ask("/long")
    assert (status, headers["Transfer-Encoding"]) == ("HTTP/1.1 200 OK", "chunked")
    assert body.endswith(b"0\r\n\r\n")
    status, headers, body = await ask("/long", "HEAD")
    assert (status, headers["X-Total-Count"], body) == ("HTTP/1.1 200 OK", "3", b"")
    assert "Connection" not in headers
    for keep in ([], ["Connection: keep-alive"]):
        status, headers, body = await ask("/long", "GET", "1.0", *keep)
        assert (status, headers.get("Connection"), body) == ("HTTP/1.0 200 OK", None, b"[1,2,3]\n(end)")
