"""Browsers' requests from other origins, base paths, and what proxies say."""

import aiohttp
import pytest

from tests.live import live_server

ORIGIN = "https://dashboard.example.com"
PREFLIGHT = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type",
}
API = "/api/experimental"


async def answer(url: str, method: str = "GET", **headers: str) -> aiohttp.ClientResponse:
    async with aiohttp.ClientSession() as session, session.request(method, url, headers=headers) as response:
        await response.read()
        return response


async def test_preflight_needs_no_credentials(database: str) -> None:
    """A browser asks before it has any; what follows needs them all the same."""
    async with live_server(database, auth_backend="deny_all", cors_origins=ORIGIN) as url:
        allowed = await answer(f"{url}{API}/dags/a/dag_runs", "OPTIONS", **PREFLIGHT)
        assert allowed.status == 204
        assert allowed.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "POST" in allowed.headers["Access-Control-Allow-Methods"]
        refused = await answer(f"{url}{API}/test", Origin=ORIGIN)
        assert refused.status == 403
        # The page may read why.
        assert refused.headers["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example.com", "http://dashboard.example.com", f"{ORIGIN}:444", f"{ORIGIN}.evil.com", "null"],
)
async def test_other_origins_get_nothing(database: str, origin: str) -> None:
    """Origins are compared whole; an answer never names a wildcard, and caches are told that it depends."""
    async with live_server(database, cors_origins=ORIGIN) as url:
        preflight = await answer(f"{url}{API}/test", "OPTIONS", **{**PREFLIGHT, "Origin": origin})
        assert preflight.status == 405
        plain = await answer(f"{url}{API}/test", Origin=origin)
        for response in (preflight, plain):
            assert not [name for name in response.headers if name.lower().startswith("access-control-")]
            assert response.headers["Vary"] == "Origin"
        changing = await answer(f"{url}{API}/dags/a/dag_runs", "POST", Origin=origin)
        assert changing.status == 403


async def test_configured_origins_may_change_things(database: str) -> None:
    """The cross-site rule lets the configured origin pass: here as far as the DAG that does not exist."""
    headers = {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site", "Content-Type": "application/json"}
    async with live_server(database, cors_origins=ORIGIN) as url:
        assert (await answer(f"{url}{API}/dags/a/paused/true", **headers)).status == 404
    async with live_server(database) as url:
        closed = await answer(f"{url}{API}/dags/a/paused/true", **headers)
        assert closed.status == 403
        assert "Access-Control-Allow-Origin" not in closed.headers


async def test_a_trusted_proxy_says_which_host_was_asked_for(database: str) -> None:
    """A page of the proxy's own name may change things; who is no trusted proxy cannot make up that name."""
    forwarded = {"X-Forwarded-Host": "airflow.example.com", "X-Forwarded-Proto": "https"}
    headers = {"Origin": "https://airflow.example.com", **forwarded}
    for proxies, status in (("127.0.0.1", 404), ("10.0.0.0/8", 403)):
        async with live_server(database, trusted_proxies=proxies) as url:
            assert (await answer(f"{url}{API}/dags/a/paused/true", **headers)).status == status
            evil = await answer(f"{url}{API}/dags/a/paused/true", **{**headers, "Origin": "https://evil.com"})
            assert evil.status == 403
