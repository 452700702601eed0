"""Pages of other web sites cannot use a browser to change anything here."""

from collections.abc import Awaitable, Callable

import aiohttp
import asyncpg
import pytest

from tests.contract import cases

API = "/api/experimental"
Serve = Callable[..., Awaitable[str]]
PAUSE = f"{API}/dags/ref_echo/paused/false"
CHANGES = [
    ("POST", f"{API}/pools", '{"name": "p", "slots": 1, "description": ""}'),
    ("POST", f"{API}/dags/ref_echo/dag_runs", "{}"),
    ("GET", PAUSE, None),
    ("PATCH", f"{API}/dags/ref_echo", '{"is_paused": false}'),
    ("DELETE", f"{API}/pools/default_pool", None),
    ("PATCH", f"{API}/dags/ref_echo/dag_runs/2020-01-01", '{"state": "failed"}'),
    ("POST", f"{API}/dags/ref_echo/dag_runs/2020-01-01/clear", "{}"),
    ("PATCH", f"{API}/dags/ref_echo/dag_runs/2020-01-01/tasks/after", '{"state": "failed"}'),
    ("DELETE", f"{API}/dags/ref_echo/dag_runs/2020-01-01", None),
    ("DELETE", f"{API}/dags/ref_echo", None),
]
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18"
IMAGE = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
# As recorded of browsers over plain HTTP, where they send no Sec-Fetch-*; the page leaves out the Referer.
SILENT = [
    {"User-Agent": CHROME, "Accept": IMAGE, "Accept-Language": "en-US,en;q=0.9"},
    {"User-Agent": CHROME, "Accept": IMAGE},
    {"User-Agent": CHROME, "Accept": "*/*", "Accept-Language": "en-US,en;q=0.9"},
    {"User-Agent": CHROME, "Accept": PAGE, "Upgrade-Insecure-Requests": "1"},
    {"User-Agent": CHROME, "Accept": "text/css,*/*;q=0.1"},
    {"User-Agent": FIREFOX, "Accept": IMAGE, "Accept-Language": "en-US,en;q=0.5"},
    {"User-Agent": SAFARI, "Accept": "video/*;q=0.8,image/png,*/*;q=0.5", "Accept-Language": "en-GB"},
]
FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Referer": "http://evil.example/page?x=1"},
    {"Referer": "android-app://com.example"},
    {"Sec-Fetch-Site": "none", "Referer": "http://evil.example/"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
    *SILENT,
]
# What callers that are no browsers send, as they send it.
JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"
PROGRAMS = {
    "nothing": {},
    "curl": {"User-Agent": "curl/7.88.1", "Accept": "*/*"},
    "wget": {"User-Agent": "Wget/1.21.3", "Accept": "*/*", "Accept-Encoding": "identity"},
    "requests": {"User-Agent": "python-requests/2.31.0", "Accept": "*/*", "Accept-Encoding": "gzip, deflate"},
    "urllib": {"User-Agent": "Python-urllib/3.11", "Accept-Encoding": "identity"},
    "aiohttp": {"User-Agent": "Python/3.11 aiohttp/3.9.1", "Accept": "*/*"},
    "httpx": {"User-Agent": "python-httpx/0.27.0", "Accept": "*/*"},
    "Go": {"User-Agent": "Go-http-client/1.1", "Accept-Encoding": "gzip"},
    "Java 8": {"User-Agent": "Java/1.8.0_392", "Accept": JAVA},
    "Java 11": {"User-Agent": "Java-http-client/11.0.22"},
    "Java, as tutorials have it": {"User-Agent": "Mozilla/5.0", "Accept": JAVA, "Accept-Language": "en-US,en;q=0.5"},
    "Apache HttpClient (Jenkins)": {"User-Agent": "Apache-HttpClient/4.5.13 (Java/1.8.0_392)"},
    "OkHttp": {"User-Agent": "okhttp/4.12.0", "Accept-Encoding": "gzip"},
    "Spring": {"User-Agent": "Java/17.0.9", "Accept": "text/plain, application/json, application/*+json, */*"},
    "node-fetch": {"User-Agent": "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)", "Accept": "*/*"},
    "fetch of Node": {"User-Agent": "node", "Accept": "*/*", "Accept-Language": "*", "Sec-Fetch-Mode": "cors"},
    "axios": {"User-Agent": "axios/1.6.2", "Accept": "application/json, text/plain, */*"},
    "Ruby": {"User-Agent": "Ruby", "Accept": "*/*", "Accept-Encoding": "gzip;q=1.0,deflate;q=0.6,identity;q=0.3"},
    "Perl": {"User-Agent": "libwww-perl/6.67"},
    "PHP Guzzle": {"User-Agent": "GuzzleHttp/7"},
    "Postman": {"User-Agent": "PostmanRuntime/7.36.0", "Accept": "*/*"},
    "HTTPie": {"User-Agent": "HTTPie/3.2.2", "Accept": "application/json, */*;q=0.5"},
    "PowerShell 5": {"User-Agent": "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.3803"},
    "PowerShell 7": {
        "User-Agent": "Mozilla/5.0 (Windows NT 10.0; Microsoft Windows 10.0.22631; en-US) PowerShell/7.4.1"
    },
    "requests, disguised": {"User-Agent": CHROME, "Accept": "*/*", "Accept-Encoding": "gzip, deflate"},
    "wget, disguised": {"User-Agent": FIREFOX, "Accept": "*/*", "Accept-Encoding": "identity"},
    "Azure Logic Apps": {"User-Agent": "azure-logic-apps/1.0 (workflow x; version y)", "Accept-Language": "en-US"},
    "Apps Script": {"User-Agent": "Mozilla/5.0 (compatible; Google-Apps-Script; beanserver; id: U)"},
}


@pytest.fixture
async def url(serve: Serve, database: str) -> str:
    connection = await asyncpg.connect(database)
    await connection.execute(cases.ROWS.read_text())
    await connection.close()
    return await serve()


async def status(url: str, headers: dict[str, str], method: str = "GET", body: str | None = None) -> int:
    """Send exactly these headers."""
    skipped = ("User-Agent", "Accept", "Accept-Encoding")
    async with (
        aiohttp.ClientSession(skip_auto_headers=skipped) as session,
        session.request(method, url, data=body, headers=headers, allow_redirects=False) as answer,
    ):
        return answer.status


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
async def test_changes_from_other_sites_are_refused(
    url: str, method: str, path: str, body: str | None, headers: dict[str, str]
) -> None:
    """Also the GET that changes something, under the open backend above all; and what a browser sends in silence."""
    async with aiohttp.ClientSession() as session, session.request(method, url + path, data=body, headers=headers) as r:
        assert r.status == 403
        assert "site" in (await r.json())["error"]


async def test_programs_may_change_things(url: str) -> None:
    """None of those that are no browsers is taken for one, by GET or POST."""
    pool = '{"name": "p", "slots": 1, "description": ""}'
    refused = []
    for name, headers in PROGRAMS.items():
        for method, path, body in (("GET", PAUSE, None), ("POST", f"{API}/pools", pool)):
            if await status(url + path, headers, method, body) != 200:
                refused.append((name, method))
    assert refused == []


async def test_own_pages_may_change_things(url: str) -> None:
    """A page served from here says so, in one way or another; who types the URL is somebody in person."""
    other = url.replace("127.0.0.1", "localhost")
    for headers in (
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": url},
        {"Referer": f"{url}/some/page"},
        {"Origin": url, "Referer": "http://evil.example/"},
        {"Origin": other, "Host": other.removeprefix("http://")},
        {"Sec-Fetch-Site": "same-origin", "Origin": url.replace("http:", "https:")},
    ):
        assert await status(url + PAUSE, {**SILENT[0], **headers}) == 200, headers


@pytest.mark.parametrize("name", ["Origin", "Referer"])
async def test_scheme_and_port_count(url: str, name: str) -> None:
    """Another program's page on the same machine is another site's."""
    port = int(url.rpartition(":")[2])
    for origin in (f"http://127.0.0.1:{port + 1}", "http://127.0.0.1", f"https://127.0.0.1:{port}", "http://localhost"):
        assert await status(url + PAUSE, {name: origin}) == 403, origin


async def test_what_proxies_say_of_the_origin(serve: Serve, url: str) -> None:
    """Scheme, host and port are those that the client used; only what a trusted proxy says counts."""
    trusting = await serve(trusted_proxies="127.0.0.1", allowed_hosts="w.example 2001:db8::1")
    tls = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "w.example"}
    for said, origin, expected in (
        (tls, "https://w.example", 200),
        (tls, "https://w.example:443", 200),
        (tls, "http://w.example", 403),
        (tls, "https://w.example:8443", 403),
        ({**tls, "X-Forwarded-Port": "8443"}, "https://w.example:8443", 200),
        ({**tls, "X-Forwarded-Port": "8443"}, "https://w.example", 403),
        ({**tls, "X-Forwarded-Port": "nonsense"}, "null", 403),
        ({**tls, "X-Forwarded-Host": "w.example:9443", "X-Forwarded-Port": "80"}, "https://w.example:9443", 200),
        ({"X-Forwarded-Proto": "https", "Host": "[2001:db8::1]"}, "https://[2001:db8::1]", 200),
    ):
        headers = {"Origin": origin, **said}
        assert await status(trusting + PAUSE, headers) == expected, headers
    assert await status(url + PAUSE, {"Origin": "https://w.example", **tls}) == 403


async def test_a_redirect_to_https_is_no_other_site(serve: Serve, url: str) -> None:
    """Go's client names in Referer what sent it on; a page of http that a browser shows says more."""
    del url
    trusting = await serve(trusted_proxies="127.0.0.1", allowed_hosts="w.example")
    go = {"Host": "w.example", "X-Forwarded-Proto": "https", "Referer": "http://w.example/api", **PROGRAMS["Go"]}
    assert await status(trusting + PAUSE, go) == 200
    assert await status(trusting + PAUSE, {**go, "Sec-Fetch-Site": "cross-site"}) == 403
    assert await status(trusting + PAUSE, {**go, "Referer": "http://v.example/api"}) == 403


async def test_configured_origins_may_change_things(serve: Serve, url: str) -> None:
    """Whether they say so in Origin or in Referer; those that only look like them may not."""
    del url
    url = await serve(cors_origins="https://dashboard.example:8443")
    foreign = {**SILENT[0], "Sec-Fetch-Site": "cross-site"}
    assert await status(url + PAUSE, {**foreign, "Origin": "https://dashboard.example:8443"}) == 200
    assert await status(url + PAUSE, {**foreign, "Referer": "https://dashboard.example:8443/x"}) == 200
    assert await status(url + PAUSE, {**foreign, "Origin": "https://dashboard.example"}) == 403
    assert await status(url + PAUSE, {"Referer": "https://dashboard.example.evil.example:8443/"}) == 403


async def test_pausing_by_get_can_be_switched_off(serve: Serve, url: str) -> None:
    """It is 405 then, allows nothing else there, and says what to send; PATCH works."""
    del url
    url = await serve(pause_by_get="False")
    async with aiohttp.ClientSession() as session:
        async with session.get(url + PAUSE) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "")
            assert "PATCH" in (await answer.json())["error"]
        async with session.patch(f"{url}{API}/dags/ref_echo", data='{"is_paused": true}') as answer:
            assert answer.status == 200
        async with session.get(f"{url}{API}/dags/ref_echo/paused") as answer:
            assert await answer.json() == {"is_paused": True}


async def test_reading_is_not_concerned_by_the_cross_site_rule(url: str) -> None:
    """Browsers keep other sites from reading answers by themselves."""
    headers = {"Sec-Fetch-Site": "cross-site"}
    async with aiohttp.ClientSession() as session, session.get(f"{url}{API}/pools", headers=headers) as response:
        assert response.status == 200
        assert "Access-Control-Allow-Origin" not in response.headers
    assert await status(f"{url}{API}/pools", SILENT[0]) == 200


@pytest.mark.parametrize("path", [f"{API}/pools", PAUSE])
async def test_another_host_name_is_refused_where_nobody_is_asked_for_credentials(url: str, path: str) -> None:
    """DNS rebinding makes a foreign name point here; its Host header gives it away. The message names the option."""
    for host in ("evil.example", "localhost.evil.example", "192.0.2.2:8080", "airflow", "[::]"):
        async with aiohttp.ClientSession() as session, session.get(url + path, headers={"Host": host}) as response:
            assert response.status == 403, host
            assert "[windsock] allowed_hosts" in (await response.json())["error"]
    for host in ("localhost:8080", "127.0.0.1", "127.1.2.3", "[::1]:1", "LOCALHOST.", "[::ffff:127.0.0.1]"):
        assert await status(url + path, {"Host": host}) == 200, host


@pytest.mark.parametrize("backend", ["default", "password_auth"])
async def test_allowed_hosts(serve: Serve, url: str, backend: str) -> None:
    """The names that are listed, beside those of loopback, and no others, whatever the backend."""
    del url
    listed = "airflow, .Example.org. 192.0.2.2 [2001:db8:0::1] host.docker.internal"
    url, good = await serve(allowed_hosts=listed, auth_backend=backend), 200 if backend == "default" else 401
    path = f"{url}{API}/test"
    for host in ("airflow:8080", "AIRFLOW", "a.b.example.org", "example.org", "192.0.2.2:8080", "[2001:db8::1]:80",
                 "host.docker.internal", "localhost", "127.0.0.1:1"):  # fmt: skip
        assert await status(path, {"Host": host}) == good, host
    for host in ("airflow.evil.example", "badexample.org", "192.0.2.3", "[2001:db8::2]", "x", "a@airflow@x"):
        assert await status(path, {"Host": host}) == 403, host


async def test_every_host_name_is_served_on_other_addresses(serve: Serve, url: str) -> None:
    """Whoever chose the open backend there is asked for none."""
    del url
    everywhere = "0.0.0.0"  # noqa: S104 - the case
    url = (await serve(host=everywhere, auth_backend="default")).replace(everywhere, "127.0.0.1")
    for host in ("airflow:8080", "192.0.2.2:8080", "host.docker.internal", "localhost"):
        assert await status(url + PAUSE, {"Host": host}) == 200, host


async def test_every_route_passes_the_backend(serve: Serve) -> None:
    """Default-deny: under deny_all each route and method is refused, /health aside; unknown paths too."""
    from server.app import create_app
    from tests.live import config_for

    url = await serve(auth_backend="deny_all")
    app = create_app(config_for("postgresql://nobody@localhost/none"))
    async with aiohttp.ClientSession() as session:
        for route in app.router.routes():
            assert route.resource is not None
            path = route.resource.canonical.replace("{", "").replace("}", "")
            async with session.request(route.method, url + path) as response:
                assert response.status == (200 if path == "/health" else 403), (route.method, path)
        for path in (f"{API}/nope", f"{API}/", "/metrics"):
            async with session.get(url + path) as response:
                assert response.status == 403
