"""An HTTP/1.1 client that sends the bytes it is given, right or wrong, and returns what came back."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from tests.contract.cases import Request

TIMEOUT = 60.0
CONTINUE_WAIT = 2.0
# Long enough for a body to arrive apart from its head, as it does from clients that send it in chunks.
APART = 0.05
CHUNK = 65536


class BadAnswerError(Exception):
    """What came back is not an HTTP answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, its header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        """The media type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def encode(request: Request, authority: str) -> tuple[bytes, bytes]:
    """Head and body as they go over the wire; the connection is closed after the answer."""
    headers = dict(request.headers)
    names = {name.lower() for name in headers}
    body = request.payload()
    lines = [f"{request.method} ".encode() + request.target() + b" HTTP/1.1"]
    if "host" not in names:
        lines.append(f"Host: {authority}".encode())
    lines += [f"{name}: {value}".encode("latin-1") for name, value in headers.items()]
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body)}".encode())
    lines.append(b"Connection: close")
    return b"\r\n".join(lines) + b"\r\n\r\n", body or b""


def _unchunk(data: bytes) -> bytes:
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        length = int(size.partition(b";")[0], 16)
        if length == 0:
            return body
        body, data = body + data[:length], data[length + 2 :]


def decode(data: bytes, method: str) -> Answer:
    """Read one answer from all the bytes that came. Raises BadAnswerError."""
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank or not head.startswith(b"HTTP/1."):
        raise BadAnswerError(f"not an HTTP answer: {data[:200]!r}")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    status = int(status_line.split(" ")[1])
    if status < 200:  # an interim answer
        return decode(body, method)
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = _unchunk(body)
    elif method != "HEAD" and int(headers.get("content-length", len(body))) != len(body):
        raise BadAnswerError(f"Content-Length {headers['content-length']}, but {len(body)} bytes came")
    return Answer(status, headers, body)


async def _receive(connection: socket.socket, received: bytearray, first: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        while chunk := await loop.sock_recv(connection, CHUNK):
            received += chunk
            first.set()
    first.set()


async def _exchange(connection: socket.socket, head: bytes, body: bytes) -> bytes:
    """Write while reading: a server may answer, and close, before it has read everything."""
    loop = asyncio.get_running_loop()
    received, first = bytearray(), asyncio.Event()
    reader = asyncio.create_task(_receive(connection, received, first))
    with contextlib.suppress(ConnectionError):
        await loop.sock_sendall(connection, head)
        if b"\r\nexpect: 100-continue\r\n" in head.lower():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(first.wait(), CONTINUE_WAIT)
        elif b"\r\ntransfer-encoding: chunked\r\n" in head.lower():
            await asyncio.sleep(APART)
        await loop.sock_sendall(connection, body)
    await reader
    return bytes(received)


async def send(url: str, request: Request) -> Answer:
    """Send one request on a connection of its own. Raises BadAnswerError, OSError, TimeoutError."""
    parts = urlsplit(url)
    address = (parts.hostname or "127.0.0.1", parts.port or 80)
    head, body = encode(request, parts.netloc)
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as connection:
        connection.setblocking(False)  # noqa: FBT003 - the socket's own signature
        async with asyncio.timeout(TIMEOUT):
            await asyncio.get_running_loop().sock_connect(connection, address)
            data = await _exchange(connection, head, body)
    return decode(data, request.method)
