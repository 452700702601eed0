"""Tests that every backend must pass, including backends of your own.

    from auth_backends.conformance import BackendConformance

    class TestBearer(BackendConformance):
        backend = "bearer_auth"
        options = {"session_lifetime": "60"}           # fields of the configuration, if the backend needs some

        def right(self):
            return {"Authorization": "Bearer of-alice"}

        def wrong(self):
            return [{"Authorization": "Bearer guessed"}]

They need pytest and pytest-asyncio, and no database: the backend is served on a real socket, behind the middleware of
the real server. A backend that needs more overrides the fixture `url`. A backend whose credentials are valid for only
one request (a signature of method and path, for example) overrides `right_for`.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import ClassVar, NamedTuple

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from server.api import middleware
from server.api.authentication import authentication
from server.api.handlers import health, session
from server.api.resources import AUTHORIZATION, SESSIONS
from server.auth import load_chain
from server.auth.authorization import Authorization, Everything
from server.auth.sessions import COOKIE, Sessions
from server.http.keys import CONFIG, PROXIES, TRAFFIC, Traffic
from server.http.proxies import Proxies
from windsock.config import load_config
from windsock.protocol import PREFIX

API = PREFIX
OPEN = "/open"
_MAX_HEADER = 65536
_SHORTEST_SECRET = 6
MALFORMED = (
    *(
        "x",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic =",
        "Basic YQ",
        "Basic YTpi YTpi",
        "Basic /////w==",
        "Basic AAA6AA==",
    ),
    *("Negotiate", "Negotiate !!!", "Negotiate YII=", "Negotiate TlRMTVNTUAABAAAAl4II4gAAAAAAAAAAAAAAAAAAAAA="),
    *(
        "Bearer",
        "Bearer ",
        'Digest username="a"',
        ", ,",
        "Basic " + "QUFB" * 4000,
        "Basic \u00ff\u00fe",
        "B\u00e4sic x",
    ),
)


def _is_open(request: web.Request) -> bool:
    return request.path == OPEN


class Reply(NamedTuple):
    """What the server answered."""

    status: int
    headers: Mapping[str, str]
    text: str
    cookies: Mapping[str, str]


async def ask(url: str, headers: Mapping[str, str], method: str = "GET", path: str = f"{API}/test") -> Reply:
    """Send one request on a connection of its own; cookies are not kept."""
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as client,
        client.request(method, url + path, headers=headers) as response,
    ):
        cookies = {name: morsel.value for name, morsel in response.cookies.items()}
        return Reply(response.status, response.headers, await response.text(), cookies)


@contextlib.asynccontextmanager
async def served(backend: str, options: Mapping[str, str]) -> AsyncIterator[str]:
    """Serve `/test` and sessions behind a backend, without a database; yields the URL."""
    overrides = {"auth_backend": backend, "audit_log": "False", "access_log": "True", **options}
    config = load_config({"AIRFLOW_HOME": "/nonexistent"}, overrides=overrides, database="none")
    backends = load_chain(config.auth_backend)
    traffic = Traffic()
    errors = middleware.errors(config, traffic)
    app = web.Application(middlewares=[errors, authentication(backends, config, _is_open)])
    app[CONFIG], app[TRAFFIC], app[PROXIES] = config, traffic, Proxies(config.trusted_proxies)
    app[SESSIONS] = Sessions(config, backends, app[PROXIES])
    app[AUTHORIZATION] = Authorization(Everything, backends.backends)
    app.router.add_get(f"{API}/test", health.test)
    app.router.add_get(OPEN, health.test)
    app.router.add_post(f"{API}/session", session.create)
    app.router.add_delete(f"{API}/session", session.delete)
    backends.install(app)
    runner = web.AppRunner(app, access_log=None, max_field_size=_MAX_HEADER)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


class BackendConformance:
    """Subclass it as `Test...`; see the description of the module."""

    backend: ClassVar[str]
    options: ClassVar[Mapping[str, str]] = {}
    """Fields of the configuration."""
    without: ClassVar[int] = 401
    """The status for a request without credentials: 401, or 403 if there is nothing to ask for."""
    secrets: ClassVar[Sequence[str]] = ()
    """Texts, besides the headers of `right` and `wrong`, that must not be in any log line or answer."""
    public: ClassVar[Sequence[str]] = ()
    """Names of headers whose values may appear: a user's name."""

    def right(self) -> Mapping[str, str] | None:
        """Return headers that the backend accepts, new ones each time; None if it lets nobody in."""
        raise NotImplementedError

    def right_for(self, method: str, path: str) -> Mapping[str, str]:
        """Return headers that the backend accepts for this request: by default those of `right`."""
        del method, path
        return self.right() or {}

    def wrong(self) -> Sequence[Mapping[str, str]]:
        """Return well-formed headers that the backend refuses."""
        return []

    @pytest_asyncio.fixture
    async def url(self) -> AsyncIterator[str]:
        """Serve the backend."""
        async with served(self.backend, self.options) as url:
            yield url

    @pytest.mark.asyncio
    async def test_right_credentials_are_let_in(self, url: str) -> None:
        """Right credentials work again and again, and many at once."""
        if (first := self.right()) is None:
            return
        replies = [await ask(url, first), await ask(url, self.right() or {})]
        replies += await asyncio.gather(*(ask(url, self.right() or {}) for _ in range(10)))
        assert [reply.status for reply in replies] == [200] * 12

    @pytest.mark.asyncio
    async def test_no_credentials(self, url: str) -> None:
        """A request without credentials gets 401 and a challenge; an empty header counts as none."""
        for headers in ({}, {"Authorization": ""}):
            reply = await ask(url, headers)
            assert reply.status == self.without
            assert ("WWW-Authenticate" in reply.headers) == (self.without == 401)
            assert reply.status == 200 or set(json.loads(reply.text)) == {"code", "error"}

    @pytest.mark.asyncio
    async def test_wrong_credentials_are_refused(self, url: str) -> None:
        """Wrong credentials get 403, even while right ones come in."""
        wrong = self.wrong()
        replies = await asyncio.gather(*(ask(url, headers) for headers in wrong), ask(url, self.right() or {}))
        assert [reply.status for reply in replies[:-1]] == [403] * len(wrong)
        assert all(set(json.loads(reply.text)) == {"code", "error"} for reply in replies[:-1])

    @pytest.mark.asyncio
    async def test_malformed_credentials_let_nobody_in(self, url: str) -> None:
        """Whatever the header contains, the answer is 401 or 403, and is JSON."""
        for value in MALFORMED:
            reply = await ask(url, {"Authorization": value})
            assert reply.status in {401, 403} or self.without == 200, value[:40]
            assert json.loads(reply.text)

    @pytest.mark.asyncio
    async def test_everything_is_denied_by_default(self, url: str) -> None:
        """Unknown routes and methods need credentials too; open routes are open."""
        unknown = [("GET", f"{API}/nope", 404), ("PUT", f"{API}/test", 405), ("OPTIONS", "/", 404), ("GET", "/x", 404)]
        for method, path, status in unknown:
            expected = status if self.without == 200 else self.without
            assert (await ask(url, {}, method, path)).status == expected, (method, path)

    @pytest.mark.asyncio
    async def test_other_sites_change_nothing(self, url: str) -> None:
        """Other sites change nothing, not even with right credentials: a browser may have added them."""
        request = ("POST", f"{API}/session")
        headers = {**self.right_for(*request), "Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
        assert (await ask(url, headers, *request)).status == 403

    @pytest.mark.asyncio
    async def test_sessions(self, url: str) -> None:
        """A session replaces credentials until it ends; only the answer that begins it sets a cookie."""
        if (first := self.right()) is None:
            return
        assert not (await ask(url, first)).cookies
        request = ("POST", f"{API}/session")
        reply = await ask(url, self.right_for(*request), *request)
        assert reply.status == 200, f"POST /session is refused: is `right_for` needed? {reply.text}"
        if json.loads(reply.text)["user"] is None:
            assert not reply.cookies
            return
        cookie = {"Cookie": f"{COOKIE}={reply.cookies[COOKIE]}"}
        assert (await ask(url, cookie)).status == 200
        assert not (await ask(url, cookie)).cookies
        forged = {"Cookie": cookie["Cookie"][:-6] + "AAAAAA"}
        assert (await ask(url, forged)).status == self.without
        assert (await ask(url, cookie, *request)).status == self.without
        assert (await ask(url, cookie, "DELETE", f"{API}/session")).cookies == {COOKIE: ""}

    @pytest.mark.asyncio
    async def test_no_secret_is_told(
        self, url: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Neither log lines of any level nor answers contain what was sent as a credential."""
        caplog.set_level(logging.DEBUG)
        sent = [*self.wrong(), self.right() or {}, {"Authorization": "Basic c2VjcmV0OnNlY3JldA=="}]
        texts = [(await ask(url, headers)).text for headers in sent]
        pairs = [pair for headers in sent for pair in headers.items() if pair[0] not in self.public]
        values = [value.partition(" ")[2] or value for _, value in pairs]
        told = "".join((*texts, caplog.text, *capsys.readouterr(), *(repr(vars(record)) for record in caplog.records)))
        # Shorter values may appear anywhere by chance.
        assert not [value for value in (*values, *self.secrets) if len(value) >= _SHORTEST_SECRET and value in told]
