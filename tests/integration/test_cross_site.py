"""Pages of other web sites cannot use a browser to change anything here."""

from collections.abc import Awaitable, Callable

import aiohttp
import asyncpg
import pytest

from tests.contract import cases

API = "/api/experimental"
Serve = Callable[..., Awaitable[str]]
CHANGES = [
    ("POST", f"{API}/pools", '{"name": "p", "slots": 1, "description": ""}'),
    ("POST", f"{API}/dags/ref_echo/dag_runs", "{}"),
    ("GET", f"{API}/dags/ref_echo/paused/false", None),
    ("PATCH", f"{API}/dags/ref_echo", '{"is_paused": false}'),
    ("DELETE", f"{API}/pools/default_pool", None),
    ("DELETE", f"{API}/dags/ref_echo", None),
]
FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.fixture
async def url(serve: Serve, database: str) -> str:
    connection = await asyncpg.connect(database)
    await connection.execute(cases.ROWS.read_text())
    await connection.close()
    return await serve()


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
async def test_changes_from_other_sites_are_refused(
    url: str, method: str, path: str, body: str | None, headers: dict[str, str]
) -> None:
    """Also the GET that changes something, under the open backend above all."""
    async with aiohttp.ClientSession() as session, session.request(method, url + path, data=body, headers=headers) as r:
        assert r.status == 403
        assert "other web sites" in (await r.json())["error"]


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}], ids=str)
async def test_scripts_and_own_pages_may_change_things(url: str, headers: dict[str, str]) -> None:
    """A script sends none of these headers; a page served from here says so."""
    path = f"{url}{API}/dags/ref_echo/paused/false"
    async with aiohttp.ClientSession() as session, session.get(path, headers=headers) as response:
        assert response.status == 200
    async with aiohttp.ClientSession() as session, session.get(path, headers={"Origin": url}) as response:
        assert response.status == 200


async def test_reading_is_not_concerned_by_the_cross_site_rule(url: str) -> None:
    """Browsers keep other sites from reading answers by themselves."""
    headers = {"Sec-Fetch-Site": "cross-site"}
    async with aiohttp.ClientSession() as session, session.get(f"{url}{API}/pools", headers=headers) as response:
        assert response.status == 200
        assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize("path", [f"{API}/pools", f"{API}/dags/ref_echo/paused/false"])
async def test_another_host_name_is_refused_where_nobody_is_asked_for_credentials(url: str, path: str) -> None:
    """DNS rebinding makes a foreign name point here; its Host header gives it away."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(url + path, headers={"Host": "evil.example"}) as response,
    ):
        assert response.status == 403
    for host in ("localhost:8080", "127.0.0.1", "[::1]:1"):
        async with aiohttp.ClientSession() as session, session.get(url + path, headers={"Host": host}) as response:
            assert response.status == 200


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
