"""Connections are taken as fast as they come; what TLS needs is checked."""

import asyncio
import socket
import subprocess
from pathlib import Path

import pytest
import uvloop
from aiohttp import web

from server.errors import StartupError
from server.http.keys import TRAFFIC, Traffic
from server.serving.listener import serving_app, tls_context
from tests.live import config_for

BURST = 64
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def turns_until_served() -> int:
    """Turns of the loop until the last of `BURST` clients that came at once has its request seen."""
    seen = 0

    async def see(_: web.Request) -> web.Response:
        nonlocal seen
        seen += 1
        return web.Response()

    app = web.Application()
    app[TRAFFIC] = Traffic()
    app.router.add_get("/", see)
    with socket.create_server(("127.0.0.1", 0), backlog=BURST) as listening:
        listening.settimeout(0)
        async with serving_app(app, config_for("postgresql://nowhere", shutdown_timeout="1"), listening):
            clients = [socket.create_connection(listening.getsockname()) for _ in range(BURST)]
            for client in clients:
                client.sendall(REQUEST)
            turns = 0
            while seen < BURST:
                await asyncio.sleep(0)
                turns += 1
            for client in clients:
                client.close()
    return turns


def test_a_burst_takes_few_turns_of_the_loop() -> None:
    """A busy loop turns slowly: a turn for each connection would let the last clients wait for seconds."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(turns_until_served()) < BURST / 2


def test_a_key_with_a_passphrase_is_refused_by_name(tmp_path: Path) -> None:
    """Nobody is asked for it; the message names the file and what is wrong with it."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2",
         "-subj", "/CN=localhost", "-passout", "pass:secret", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    with pytest.raises(StartupError, match=f"{key}, which must have no passphrase"):
        tls_context(config_for("postgresql://nowhere", ssl_cert=str(cert), ssl_key=str(key)))
