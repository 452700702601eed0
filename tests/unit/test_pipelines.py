"""Random pipelines: the answers come in order, one each, and are those that the same requests get one by one."""

import asyncio
import random
import socket
from collections.abc import AsyncGenerator
from typing import NamedTuple

import pytest
from aiohttp import web

from server.api.middleware import errors
from server.http.answers import json_bytes, json_list
from server.http.body import read_body
from server.http.keys import CONFIG, TRAFFIC, Traffic
from server.serving.listener import serving_app
from tests.live import config_for
from tests.ways import fast_path

__all__ = ["fast_path"]

PIPELINES = 40
MAX_BODY = 3000
BROKEN = b"zz\r\n"
NONSENSE = (b"nonsense\r\n\r\n", b"GET /a HTTP/1.1\r\n\r\n", b"GET /a HTTP/1.1\r\nHost: h\r\n X\r\n\r\n")
Address = tuple[str, int]


class Answer(NamedTuple):
    """What came back, without what varies."""

    status: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def closes(self) -> bool:
        """Whether nothing follows it."""
        connection = dict(self.headers).get("connection", "").lower()
        return connection == "close" or (self.status.startswith("HTTP/1.0") and connection != "keep-alive")


async def small(request: web.Request) -> web.Response:
    await asyncio.sleep(len(request.match_info["name"]) % 3 / 1000)
    return json_bytes(request.match_info["name"].encode(), headers={"X-Total-Count": "1"})


async def big(_request: web.Request) -> web.Response:
    return json_bytes(b"b" * 300_000)


async def pages(request: web.Request) -> web.StreamResponse:
    async def make() -> AsyncGenerator[list[str], None]:
        for number in range(5):
            yield [str(number) * 3000] * 5

    return await json_list(request, make(), {})


async def body(request: web.Request) -> web.Response:
    return json_bytes(await read_body(request))


async def served(fast_path: str) -> AsyncGenerator[Address, None]:
    options = {"max_body_size": str(MAX_BODY), "shutdown_timeout": "1", "fast_path": fast_path}
    config, traffic = config_for("postgresql://nowhere", **options), Traffic()
    app = web.Application(middlewares=[errors(config, traffic)], client_max_size=MAX_BODY)
    app[CONFIG], app[TRAFFIC] = config, traffic
    app.router.add_get("/small/{name}", small)
    app.router.add_get("/big", big)
    app.router.add_get("/pages", pages)
    app.router.add_post("/body", body)
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        listening.settimeout(0)
        async with serving_app(app, config, listening):
            yield listening.getsockname()[:2]


@pytest.fixture
async def address(fast_path: str) -> AsyncGenerator[Address, None]:
    async for one in served(fast_path):
        yield one


def a_request(rng: random.Random) -> bytes:
    """One request; now and then one that is none."""
    if rng.random() < 0.02:
        return rng.choice(
            [b"nonsense\r\n\r\n", b"GET /a HTTP/1.1\r\n\r\n", b"GET /a HTTP/1.1\r\nHost: h\r\n X\r\n\r\n"]
        )
    method = rng.choice(["GET"] * 5 + ["HEAD"] * 2 + ["POST"] * 4 + ["PUT", "DELETE", "OPTIONS"])
    path = "/body" if method == "POST" else f"/small/{'n' * rng.randrange(1, 9)}{rng.randrange(100)}"
    path = rng.choice([path] * 6 + ["/pages", "/nowhere", "/big"])
    version = "1.0" if rng.random() < 0.08 else "1.1"
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost"]
    if version == "1.0" and rng.random() < 0.7:
        lines.append("Connection: keep-alive")
    if rng.random() < 0.02:
        lines.append("Connection: close")
    return with_body(rng, lines) if method in {"POST", "PUT", "DELETE"} else "\r\n".join([*lines, "", ""]).encode()


def with_body(rng: random.Random, lines: list[str]) -> bytes:
    """Add a body: of a known length, in chunks, none, too large, or one that goes wrong."""
    data = bytes(rng.choices(b"abcdefgh", k=rng.choice([0, 1, 20, 500, MAX_BODY, MAX_BODY + 1, 20_000])))
    kind = rng.choice(["length"] * 3 + ["chunks"] * 3 + ["none", "expect"] + ["broken"] * (rng.random() < 0.2))
    if kind == "none":
        return "\r\n".join([*lines, "", ""]).encode()
    if kind in {"length", "expect"}:
        more = ["Expect: 100-continue"] if kind == "expect" else []
        return "\r\n".join([*lines, *more, f"Content-Length: {len(data)}", "", ""]).encode() + data
    if kind == "broken":
        # One that is too large as well may be told either.
        data = data[:500]
    chunks, at = b"", 0
    while at < len(data):
        size = rng.randrange(1, 4000)
        part = data[at : at + size]
        chunks += b"%x\r\n%s\r\n" % (len(part), part)
        at += size
    end = BROKEN if kind == "broken" else b"0\r\n\r\n"
    return "\r\n".join([*lines, "Transfer-Encoding: chunked", "", ""]).encode() + chunks + end


async def read_answer(reader: asyncio.StreamReader, request: bytes) -> Answer:
    """Read one answer, past any `100 Continue`."""
    head = await reader.readuntil(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 100"):
        head = await reader.readuntil(b"\r\n\r\n")
    status, *lines = head.decode().rstrip("\r\n").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    data = b""
    if not request.startswith(b"HEAD "):
        if "content-length" in headers:
            data = await reader.readexactly(int(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked":
            while size := int((await reader.readline()).strip(), 16):
                data += (await reader.readexactly(size + 2))[:-2]
            await reader.readline()
        else:
            data = await reader.read()
    kept = sorted((name, value) for name, value in headers.items() if name not in {"date", "x-request-id"})
    return Answer(status, tuple(kept), data)


def is_last(request: bytes, answer: Answer) -> bool:
    """Whether nothing may follow; where a body goes wrong that nobody reads, the answer cannot say so."""
    return answer.closes() or request.endswith(BROKEN)


async def send_slowly(writer: asyncio.StreamWriter, data: bytes, rng: random.Random) -> None:
    """Send it in pieces, cut anywhere."""
    while data:
        size = rng.choice([1, 7, 100, 3000, 70_000, len(data)])
        writer.write(data[:size])
        data = data[size:]
        if rng.random() < 0.3:
            await asyncio.sleep(rng.choice([0, 0.001, 0.003]))


async def exchange(address: Address, requests: list[bytes], rng: random.Random) -> list[Answer]:
    """Send all in one pipeline, read slowly or not; the answers until one closes, after which nothing may come."""
    reader, writer = await asyncio.open_connection(*address, limit=rng.choice([2000, 2**16, 2**20]))
    sending = asyncio.create_task(send_slowly(writer, b"".join(requests), rng))
    answers: list[Answer] = []
    try:
        for request in requests:
            if rng.random() < 0.1:
                await asyncio.sleep(0.01)
            answers.append(await read_answer(reader, request))
            if is_last(request, answers[-1]):
                assert await ended(reader)
                break
    finally:
        sending.cancel()
        writer.transport.abort()
    return answers


async def ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionError:
        # It closed while we were still sending.
        return True


@pytest.mark.parametrize("seed", range(PIPELINES))
async def test_a_pipeline_is_answered_as_its_requests_are(
    address: Address, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Methods, versions, bodies of all kinds and cut anywhere, slow readers, what is nowhere, what is malformed."""
    rng = random.Random(seed)  # noqa: S311 - a test repeats it
    requests = [a_request(rng) for _ in range(rng.choice([3, 20, 80]))]
    async with asyncio.timeout(60):
        alone: list[Answer] = []
        for request in requests:
            alone += await exchange(address, [request], random.Random(0))  # noqa: S311 - likewise
            if is_last(request, alone[-1]):
                break
        assert await exchange(address, requests, rng) == alone
    # A client cannot fill the log either.
    assert caplog.messages == []
