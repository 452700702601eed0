"""deploy/nginx/windsock.conf before a real service: TLS, forwarded headers, long headers, limits, a base path.

Only its addresses, ports and certificates are replaced.
"""

import asyncio
import json
import re
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import bcrypt
import pytest

from tests.acceptance.process import wait_until
from tests.acceptance.service import Service, activated, free_port

CONF = Path("deploy/nginx/windsock.conf").read_text("utf-8")
MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
user {user};
events {{ worker_connections 1024; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/windsock.conf;
}}
"""
ANN = {"Authorization": aiohttp.encode_basic_auth("ann", "right")}
API = "/prefix/api/experimental"
SOCKET = "windsock.sock"


class Nginx:
    """Runs the sample configuration before a unix socket; `https` and `http` are its URLs."""

    def __init__(self, folder: Path, upstream: Path) -> None:
        self.folder = folder
        tls, plain = free_port(), free_port()
        self.https, self.http = f"https://localhost:{tls}", f"http://localhost:{plain}"
        certificate = folder / "fullchain.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
             "-keyout", str(folder / "key.pem"), "-out", str(certificate)],
            check=True, capture_output=True,
        )  # fmt: skip
        self.tls = ssl.create_default_context(cafile=str(certificate))
        text = CONF
        for ours, theirs in {
            "listen 80": f"listen 127.0.0.1:{plain}",
            "listen 443": f"listen 127.0.0.1:{tls}",
            "https://windsock.example.org$": f"https://localhost:{tls}$",
            "windsock.example.org": "localhost",
            "/etc/ssl/windsock/": f"{folder}/",
            "unix:/run/windsock.sock": f"unix:{upstream}",
        }.items():
            assert ours in text, ours
            text = text.replace(ours, theirs)
        (folder / "windsock.conf").write_text(text)
        (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=folder.owner()))
        self.command = ["nginx", "-c", str(folder / "nginx.conf")]
        subprocess.run([*self.command, "-t"], check=True, capture_output=True)
        self.process = subprocess.Popen(self.command, stderr=subprocess.DEVNULL)

    @asynccontextmanager
    async def client(self, address: str = "127.0.0.2") -> AsyncIterator[aiohttp.ClientSession]:
        """A client at an address that is no proxy's."""
        connector = aiohttp.TCPConnector(ssl=self.tls, local_addr=(address, 0), limit=0)
        async with aiohttp.ClientSession(self.https, connector=connector, headers=ANN) as session:
            yield session


@pytest.fixture
async def service(database: str, tmp_path: Path) -> AsyncIterator[Service]:
    conn = await asyncpg.connect(database)
    stored = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
    await conn.execute("INSERT INTO users (username, password) VALUES ('ann', $1)", stored)
    await conn.execute("INSERT INTO dag (dag_id, is_active, is_paused, is_subdag) VALUES ('d', true, false, false)")
    await conn.close()
    options: dict[str, Any] = {
        "auth_backend": "password_auth",
        "trusted_proxies": "unix:",
        "access_log": "True",
        "page": "True",
    }
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / SOCKET))
        listening.listen()
        with Service(database, tmp_path, base_path="/prefix", **activated(listening.fileno()), **options) as one:
            yield one


@pytest.fixture
def nginx(service: Service, tmp_path: Path) -> Iterator[Nginx]:
    del service
    with before(tmp_path / SOCKET, tmp_path) as one:
        yield one


@contextmanager
def before(upstream: Path, folder: Path) -> Iterator[Nginx]:
    """Run nginx before this socket."""
    folder = folder / "nginx"
    folder.mkdir()
    one = Nginx(folder, upstream)
    try:
        wait_until(lambda: listens(one.https))
        yield one
    finally:
        one.process.terminate()
        one.process.wait(30)


def listens(url: str) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) == 0


def logged(service: Service) -> dict[str, Any]:
    """The last line of the service's access log."""
    lines = [json.loads(line) for line in service.log.splitlines() if line.startswith("{")]
    found: dict[str, Any] = [line for line in lines if line.get("event") == "request"][-1]
    return found


async def test_it_is_as_said_and_works(service: Service, nginx: Nginx) -> None:
    """Through TLS, below the base path; a trigger too, and the address in the log is the client's."""
    async with nginx.client() as client:
        async with client.get(f"{API}/test") as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "OK"})
            assert answer.headers["Server"] == "nginx"
        async with client.post(f"{API}/dags/d/dag_runs", json={"run_id": "by-proxy"}) as answer:
            assert answer.status == 200, await answer.text()
        line = logged(service)
        assert (line["remote"], line["user"], line["status"]) == ("127.0.0.2", "ann", 200)
        # The API is at the root too.
        async with client.get("/api/experimental/test") as answer:
            assert answer.status == 200


async def test_forwarded_headers_cannot_be_spoofed(service: Service, nginx: Nginx) -> None:
    """What a client says of addresses and hosts is dropped, also by one at a proxy's own address."""
    for address in ("127.0.0.2", "127.0.0.1"):
        async with (
            nginx.client(address) as client,
            client.get(f"{API}/test", headers={"X-Forwarded-For": "203.0.113.9, 203.0.113.10"}) as answer,
        ):
            assert answer.status == 200
        assert logged(service)["remote"] == address
    spoofed = {"X-Forwarded-Host": "evil.example", "Origin": "https://evil.example"}
    async with nginx.client() as client, client.post(f"{API}/pools", json={}, headers=spoofed) as answer:
        assert answer.status == 403


async def test_scheme_and_host_go_through(nginx: Nginx) -> None:
    """A session's cookie is one for TLS alone, and a page of the very host may change something."""
    async with nginx.client() as client:
        spoofed = {"X-Forwarded-Proto": "http"}
        async with client.post(f"{API}/session", headers={"Origin": nginx.https, **spoofed}) as answer:
            assert answer.status == 200, await answer.text()
            assert "; secure" in answer.headers["Set-Cookie"].lower()
        async with client.post(f"{API}/session", headers={"Origin": "https://localhost:1"}) as answer:
            assert answer.status == 403


async def test_the_page(nginx: Nginx) -> None:
    """By HTTP/2, so that many of them can be open; its files are compressed and kept, and its events come at once."""
    host, port = urlsplit(nginx.https).hostname, urlsplit(nginx.https).port
    context = ssl.create_default_context(cafile=str(nginx.folder / "fullchain.pem"))
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection((host, port)) as plain, context.wrap_socket(plain, server_hostname=host) as tls:
        assert tls.selected_alpn_protocol() == "h2"
    async with nginx.client() as client:
        async with client.get("/prefix/") as answer:
            assert "Content-Security-Policy" in answer.headers
            found = re.search(r'src="(/prefix/static/[^"]*)"', await answer.text())
        assert found is not None
        async with client.get(found[1]) as answer:
            assert (answer.status, answer.headers["Content-Encoding"]) == (200, "gzip")
            assert "immutable" in answer.headers["Cache-Control"]
        async with client.post(f"{API}/session", headers={"Origin": nginx.https}) as answer:
            cookie = answer.cookies["__Host-windsock_session"].value
        headers = {"Cookie": f"__Host-windsock_session={cookie}"}
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=nginx.tls)) as browser,
            browser.get(f"{nginx.https}{API}/events", headers=headers, timeout=aiohttp.ClientTimeout(10)) as events,
        ):
            assert events.status == 200
            assert await events.content.readline()


async def test_request_ids(service: Service, nginx: Nginx) -> None:
    """A caller's id is kept; without one nginx makes one up, which both logs could have."""
    async with nginx.client() as client:
        async with client.get(f"{API}/test", headers={"X-Request-ID": "mine-1"}) as answer:
            assert answer.headers["X-Request-ID"] == "mine-1"
        assert logged(service)["request_id"] == "mine-1"
        async with client.get(f"{API}/test") as answer:
            assert len(answer.headers["X-Request-ID"]) == 32


async def test_long_headers_pass(nginx: Nginx) -> None:
    """16 KB of a ticket reach the service; a megabyte does not."""
    async with nginx.client() as client:
        async with client.get(f"{API}/test", headers={"X-Ticket": "a" * 16384}) as answer:
            assert answer.status == 200
        async with client.get(f"{API}/test", headers={"Authorization": "Negotiate " + "a" * 16384}) as answer:
            # It is the service that answers: it takes Basic only.
            assert answer.status == 401
            assert "error" in await answer.json()
        async with client.get(f"{API}/test", headers={"X-Ticket": "a" * 2**20}) as answer:
            assert answer.status == 400


async def test_rates_are_limited(nginx: Nginx) -> None:
    """A flood is told 429, before it reaches the service; a moment later the client is served again."""
    async with nginx.client() as client:
        gate = asyncio.Semaphore(50)

        async def get() -> int:
            async with gate, client.get(f"{API}/test") as answer:
                return answer.status

        statuses = await asyncio.gather(*(get() for _ in range(1000)))
        assert set(statuses) == {200, 429}
        assert statuses.count(200) >= 200
        end = time.monotonic() + 20
        while await get() != 200:
            assert time.monotonic() < end
            await asyncio.sleep(0.2)


async def test_http_is_sent_to_https(nginx: Nginx) -> None:
    """308 keeps method and body."""
    async with nginx.client() as client, client.post(
        f"{nginx.http}{API}/dags/d/dag_runs?a=b", json={}, allow_redirects=False
    ) as answer:  # fmt: skip
        assert answer.status == 308
        assert answer.headers["Location"] == f"{nginx.https}{API}/dags/d/dag_runs?a=b"


async def test_other_hosts_get_nothing(nginx: Nginx) -> None:
    """Neither a redirect to a name that the client chose, nor a handshake for one, nor the service by TLS for ours."""
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1"):
        named = {"Host": host}
        async with nginx.client() as client:
            async with client.get(f"{nginx.http}{API}/test", headers=named, allow_redirects=False) as answer:
                assert (answer.status, "Location" in answer.headers) == (421, False)
            async with client.get(f"{API}/test", headers=named) as answer:
                assert answer.status == 421
            with pytest.raises(aiohttp.ClientConnectorError):
                await client.get(f"{API}/test", server_hostname=host)


async def test_a_service_that_is_away(database: str, service: Service, nginx: Nginx) -> None:
    """Callers wait in the queue of the socket, which outlives the service, and a trigger is sent once."""
    service.process.terminate()
    service.process.wait(30)
    async with nginx.client() as client:
        waiting = asyncio.ensure_future(client.post(f"{API}/dags/d/dag_runs", json={}))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(service.__enter__)
        async with await waiting as answer:
            assert answer.status == 200
    conn = await asyncpg.connect(database)
    assert await conn.fetchval("SELECT count(*) FROM dag_run") == 1
    await conn.close()


async def test_a_kept_connection_that_ends_under_a_request(tmp_path: Path) -> None:
    """As a restart may end it: what only reads is sent again by another one, a trigger is not."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                seen.append((await reader.readuntil(b"\r\n\r\n")).split(b" ")[0])
                if seen.count(seen[-1]) == 2:
                    break
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    statuses = []
    async with await asyncio.start_unix_server(serve, tmp_path / SOCKET):
        with before(tmp_path / SOCKET, tmp_path) as nginx:
            async with nginx.client() as client:
                for method in ("GET", "GET", "POST", "POST"):
                    async with client.request(method, f"{API}/test") as answer:
                        statuses.append(answer.status)
    assert statuses == [200, 200, 200, 502]
    assert seen == [b"GET", b"GET", b"GET", b"POST", b"POST"]
