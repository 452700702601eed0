"""Connections: what they name, and that what proves who asks goes to their server alone."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from server.standalone.scheduler.http_connection import HttpConnection, find_connection, origin
from server.standalone.scheduler.run_command import Running
from server.standalone.scheduler.run_http import run_http
from server.standalone.scheduler.task_outcomes import TaskFailed
from server.task_logs.writing import open_log


@pytest.mark.parametrize(
    ("uri", "base"),
    [
        ("http://host", "http://host"),
        ("https://u:p%40w@host:8443/", "https://host:8443"),
        ("http://host:81/https", "https://host:81"),
        ("http://[::1]:81", "http://[::1]:81"),
        ('{"conn_type": "http", "host": "host", "schema": "https", "port": 8443}', "https://host:8443"),
        ('{"host": "http://host", "login": "u", "password": "p@w"}', "http://host"),
        ('{"host": "http://u:p%40w@host"}', "http://host"),
        ("", None),
    ],
)
def test_connections(monkeypatch: pytest.MonkeyPatch, uri: str, base: str | None) -> None:
    """A server as Airflow names it in the environment."""
    monkeypatch.setenv("AIRFLOW_CONN_MY_API", uri)
    found = find_connection("my_api")
    assert found.base == (base and URL(base))
    assert found.headers == ({"Authorization": "Basic dTpwQHc="} if "w" in uri else {})


def test_a_connection_has_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """In its query, or its extra; what is no connection is not guessed at."""
    for text in (
        "http://host/?X-A=1",
        '{"host": "host", "extra": {"X-A": 1}}',
        '{"host": "host", "extra": "{\\"X-A\\": 1}"}',
    ):
        monkeypatch.setenv("AIRFLOW_CONN_C", text)
        assert find_connection("c") == HttpConnection(URL("http://host"), {"X-A": "1"})
    for text in ("{", '{"extra": [1]}', '{"host": 1}', "http://host:port/", '{"host": "ftp://host"}'):
        monkeypatch.setenv("AIRFLOW_CONN_C", text)
        with pytest.raises(TaskFailed, match="is not a connection"):
            find_connection("c")


def test_endpoints() -> None:
    """A path on the server, or a whole URL; without either there is a sentence that says so."""
    server, none = HttpConnection(URL("http://h/")), HttpConnection()
    assert str(server.url("/a?b=c")) == "http://h/a?b=c"
    assert str(server.url("http://H:80/a")) == "http://h/a"
    assert str(server.url("http://you:secret@h/a")) == "http://h/a"
    assert str(HttpConnection(URL("http://h/v1")).url("a")) == "http://h/v1/a"
    assert str(none.url("https://x/y")) == "https://x/y"
    with pytest.raises(TaskFailed, match="AIRFLOW_CONN_HTTP_DEFAULT"):
        none.url("a")
    with pytest.raises(TaskFailed, match="AIRFLOW_CONN_MINE=https://host for `http_conn_id: mine`"):
        find_connection("mine").url("a")
    with pytest.raises(TaskFailed, match="another server than the connection's, http://h"):
        server.url("http://evil/")


PIECES = st.sampled_from([
    "http", "https", "HTTP", "ftp", ":", "/", "//", "\\", "@", ".", "..", "#", "?", "%2f", "%40", "evil", "h", "h:80",
    "80", "\r\n", "\t", " ", "\0", "\u2025", "\uff0f", "\uff20", "ⓗ", "h\u3002evil", "[::1]", "\ud800", "user:pw@", ";",
])  # fmt: skip
BASES = st.sampled_from(["http://h", "http://h/", "https://h:8443/base/", "http://[::1]:80", "http://h.example"])


@given(BASES, st.lists(PIECES, max_size=12).map("".join) | st.text(st.characters(codec=None)))
@example("http://h", "@evil/")
@example("http://h", ".evil/")
@example("http://h", ":80@evil/")
@example("http://h", "//evil/")
@example("http://h", "\\\\evil")
@example("https://h:8443/base/", "http://h:8443/")
def test_an_endpoint_leads_to_no_other_server(base: str, endpoint: str) -> None:
    """Whatever it is: the request goes to the connection's server, or is not made."""
    connection = HttpConnection(URL(base))
    try:
        url = connection.url(endpoint)
    except TaskFailed:
        return
    assert origin(url) == origin(URL(base))
    assert url.user is None
    # What is sent is what this URL says: written and read again it is the same.
    assert origin(URL(str(url))) == origin(URL(base))


class _Servers:
    """A server of a connection, another one, and the requests that each of them got."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str, dict[str, str]]] = []
        self.urls: dict[str, str] = {}

    def app(self, name: str) -> web.Application:
        async def answer(request: web.Request) -> web.Response:
            self.seen.append((name, request.method, request.path_qs, dict(request.headers)))
            status, _, target = request.match_info["rest"].partition("-")
            if status.isdigit():
                place, _, path = target.partition("-")
                return web.Response(status=int(status), headers={"Location": f"{self.urls.get(place, place)}/{path}"})
            return web.Response(text=name, headers={"Set-Cookie": "session=secret"})

        made = web.Application()
        made.router.add_route("*", "/{rest:.*}", answer)
        return made


@asynccontextmanager
async def _servers() -> AsyncIterator[_Servers]:
    servers = _Servers()
    async with AsyncExitStack() as stack:
        for name in ("own", "evil"):
            server = await stack.enter_async_context(TestServer(servers.app(name)))
            servers.urls[name] = str(server.make_url("")).rstrip("/")
        yield servers


async def _ask(folder: Path, **fields: Any) -> str:  # noqa: ANN401 - of YAML
    with open_log(folder, 1) as log:
        return await run_http(cast("Running", SimpleNamespace(log=log)), fields)


CREDENTIALS = {"Authorization", "X-Key", "X-Token", "Cookie"}


async def test_credentials_stay_with_their_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A redirect to another one takes none along, also not back; on the own server they are kept."""
    async with _servers() as servers:
        own, evil = servers.urls["own"], servers.urls["evil"]
        monkeypatch.setenv(
            "AIRFLOW_CONN_HTTP_DEFAULT", own.replace("http://", "http://user:secret@") + "/?X-Key=secret"
        )
        task = {"method": "GET", "headers": {"X-Token": "secret", "Accept": "text/plain"}}
        assert await _ask(tmp_path, endpoint="302-own-a", **task) == "own"
        assert [CREDENTIALS - {"Cookie"} <= headers.keys() for *_, headers in servers.seen] == [True, True]
        servers.seen.clear()
        for status in (301, 302, 303, 307, 308):
            assert await _ask(tmp_path, endpoint=f"{status}-evil-a", **task) == "evil"
        assert await _ask(tmp_path, endpoint="302-evil-302-own-a", **task) == "own"
        assert [name for name, *_ in servers.seen] == ["own", "evil"] * 6 + ["own"]
        for n, (name, *_, headers) in enumerate(servers.seen):
            first = name == "own" and n < len(servers.seen) - 1
            assert (CREDENTIALS & headers.keys()) == (CREDENTIALS - {"Cookie"} if first else set())
            assert headers["Accept"] == "text/plain"
        servers.seen.clear()
        for endpoint in (f"{evil}/a", f" {evil}/a", evil.upper(), f"{own}@{evil[7:]}/", f"http://user@{evil[7:]}/"):
            with pytest.raises(TaskFailed):
                await _ask(tmp_path, endpoint=endpoint, **task)
        for endpoint in (f"@{evil[7:]}/", f":80@{evil[7:]}/", f"//{evil[7:]}/a", f"\\\\{evil[7:]}", f".{evil[7:]}"):
            assert await _ask(tmp_path, endpoint=endpoint, **task) == "own"
        assert {name for name, *_ in servers.seen} == {"own"}


async def test_redirects(tmp_path: Path) -> None:
    """A POST becomes a GET unless the status says otherwise; they end some time, and lead to servers alone."""
    async with _servers() as servers:
        own = servers.urls["own"]
        for status in (301, 302, 303, 307, 308):
            await _ask(tmp_path, endpoint=f"{own}/{status}-own-a", data={"a": 1}, method="POST")
        assert [method for _, method, *_ in servers.seen[1::2]] == ["GET"] * 3 + ["POST"] * 2
        assert (await _ask(tmp_path, endpoint=f"{own}/302-own-a", extra_options={"allow_redirects": False})) == ""
        with pytest.raises(TaskFailed, match="redirected more than 10 times"):
            await _ask(tmp_path, endpoint=f"{own}/{'302-own-' * 11}a")
        for place in ("ftp://host", "file:", "javascript:"):
            with pytest.raises(TaskFailed, match="not a URL of a server"):
                await _ask(tmp_path, endpoint=f"{own}/302-{place}-a")
