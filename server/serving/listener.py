"""The process: listens, announces the URL, serves until told to stop, and stops cleanly."""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from server.app import create_app
from server.errors import StartupError
from server.fast import use
from server.http.keys import TRAFFIC, Traffic
from server.http.slow_readers import SlowReaders, bound_backlog
from windsock.config import Config

logger = logging.getLogger(__name__)

_BACKLOG = 4096
# In each turn of the loop libuv accepts one connection from each listening handle. Under load a turn takes tens of
# milliseconds: if hundreds of clients came at once, the last one would wait for seconds.
_ACCEPTORS = 8
# The Kerberos tickets of users in many groups exceed the usual 8 KiB.
_MAX_HEADER = 65536
_LINGER = 2.0
# A client that has just got an answer sends its next request within this time.
_GRACE = 0.2
_POLL = 0.01


def url_of(sock: socket.socket, scheme: str = "http") -> str:
    """Return `http://host:port` for a listening socket."""
    if sock.family == socket.AF_UNIX:
        return f"unix:{sock.getsockname()}"
    host, port = sock.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def listen(config: Config) -> socket.socket:
    """Bind the configured address; raises StartupError if it is taken or does not belong to this machine."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            config.host or None, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, proto)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(_BACKLOG)
    except OSError as error:
        raise StartupError(
            f"cannot listen on {config.host}:{config.port}: {error.strerror};"
            " choose another with --port, or [windsock] port in airflow.cfg"
        ) from error
    sock.setblocking(False)  # noqa: FBT003 - the socket's own signature
    return sock


@asynccontextmanager
async def serving(config: Config, sock: socket.socket) -> AsyncIterator[str]:
    """Serve on `sock` while the block runs, then finish the requests under way; yields the URL."""
    async with serving_app(create_app(config), config, sock) as url:
        yield url


@asynccontextmanager
async def serving_app(app: web.Application, config: Config, sock: socket.socket) -> AsyncIterator[str]:
    """Serve `app` as `serving` does."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=config.shutdown_timeout)
    readers = SlowReaders(config.write_timeout)
    try:
        tls = tls_context(config)
        await runner.setup()
        protocol = await _protocol(app, runner, readers, config)
        loop = asyncio.get_running_loop()
        bound_backlog(sock)
        handles = (sock, *(sock.dup() for _ in range(_ACCEPTORS - 1)))
        servers = [await loop.create_server(protocol, sock=each, backlog=_BACKLOG, ssl=tls) for each in handles]
        try:
            yield url_of(sock, "https" if tls else "http") + config.base_path
        finally:
            for server in servers:
                server.close()
            readers.hurry()
            await _finish(app[TRAFFIC], config.shutdown_timeout)
    finally:
        await runner.cleanup()
        readers.close()
        sock.close()


async def _protocol(
    app: web.Application, runner: web.AppRunner, readers: SlowReaders, config: Config
) -> use.MakeProtocol:
    assert runner.server is not None  # noqa: S101 - `setup` made it
    options: dict[str, Any] = {
        "loop": asyncio.get_running_loop(),
        "access_log": None,
        "auto_decompress": False,
        "keepalive_timeout": config.keepalive_timeout,
        "lingering_time": _LINGER,
        "max_field_size": _MAX_HEADER,
    }
    return await use.connections(app, runner.server, readers, wanted=config.fast_path, **options)


def tls_context(config: Config) -> ssl.SSLContext | None:
    """Read certificate and key, None if there are none; raises StartupError if they cannot be used."""
    if config.ssl_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # There is nobody who could type a passphrase.
        context.load_cert_chain(config.ssl_cert, config.ssl_key, password="")
    except (OSError, ssl.SSLError) as error:
        files = f"{config.ssl_cert} with the key in {config.ssl_key or 'it'}, which must have no passphrase"
        raise StartupError(f"[windsock] ssl_cert, ssl_key: cannot use {files}: {error}") from error
    return context


async def _finish(traffic: Traffic, seconds: float) -> None:
    """Let the requests under way finish, including those whose bodies still arrive: aiohttp's own shutdown drops them.

    Meanwhile every answer closes its connection, so that clients with keep-alive open a new one for their next request.
    """
    traffic.stop()
    end = time.monotonic() + seconds
    await asyncio.sleep(min(_GRACE, seconds))
    while traffic.in_flight and time.monotonic() < end:  # noqa: ASYNC110 - a counter costs a request less than an event
        await asyncio.sleep(_POLL)
