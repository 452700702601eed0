"""Where the API answers: at the root and below the base path, however many slashes a base URL ends with."""

from collections.abc import Awaitable, Callable

import aiohttp
import asyncpg
import pytest
from yarl import URL

from server.metrics.counters import COUNTERS
from tests.ways import fast_path
from windsock.config import load_config

__all__ = ["fast_path"]

API = "/api/experimental"
Serve = Callable[..., Awaitable[str]]


async def status(url: str, method: str = "GET", **options: str) -> int:
    """Status of a request whose path is sent as it is."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, URL(url, encoded=True), headers=options) as response,
    ):
        return response.status


async def test_everything_is_at_the_root_and_below(serve: Serve) -> None:
    """Slashes before the path, or behind the base path, are one; nothing else is added."""
    url = await serve(base_path="/tools/windsock")
    assert url.endswith("/tools/windsock")
    root = url.removesuffix("/tools/windsock")
    for begin in (
        root,
        f"{root}/",
        f"{root}//",
        url,
        f"{url}/",
        f"{root}//tools/windsock",
        f"{root}//tools/windsock//",
    ):
        for path in (f"{API}/test", "/health", f"{API}/openapi.json", f"{API}/pools", f"{API}/pools/default_pool"):
            assert await status(begin + path) == 200, begin + path
        assert await status(f"{begin}{API}/test", "PUT") == 405
        assert await status(f"{begin}{API}/dags/a/paused/true", **{"Sec-Fetch-Site": "cross-site"}) == 403
        assert await status(f"{begin}{API}/dags/a/delete_dag", "DELETE") == 404
    # A path that only begins like it is another one; nor does it stand twice, nor slashes elsewhere.
    for other in ("/tools/windsockets", "/tools", "/tools//windsock", "/tools/windsock/tools/windsock"):
        assert await status(f"{root}{other}{API}/test") == 404, other
    assert await status(f"{root}/api//experimental/test") == 404


@pytest.mark.parametrize("base_path", ["/", "/api", "/api/experimental", "/health"])
async def test_a_base_path_may_be_like_ours(serve: Serve, base_path: str) -> None:
    """Whatever it is, both are found."""
    url = await serve(base_path=base_path)
    root = url.removesuffix(base_path) if base_path != "/" else url
    for begin in (root, url, f"{root}/"):
        for path in (f"{API}/test", "/health"):
            assert await status(begin + path) == 200, begin + path


async def test_nothing_of_it_is_open_to_others(serve: Serve) -> None:
    """Only /health is, in each of its spellings."""
    url = await serve(base_path="/w", auth_backend="deny_all")
    root = url.removesuffix("/w")
    for begin in (root, f"{root}/", url, f"{url}/"):
        assert await status(f"{begin}/health") == 200
        assert await status(f"{begin}/health", "PUT") == 405
        for path in (f"{API}/test", f"{API}/health", "/nowhere"):
            assert await status(begin + path) == 403, begin + path


@pytest.mark.parametrize("base_path", [f"{API}/pools", f"{API}/dags"])
async def test_what_is_named_like_the_health_is_not_open(serve: Serve, base_path: str) -> None:
    """Below such a base path the path of `/health` is that of a pool, or of a DAG."""
    url = await serve(base_path=base_path, auth_backend="deny_all")
    for method in ("GET", "DELETE", "PATCH", "PUT"):
        assert await status(f"{url}/health", method) == 403, method
    assert await status(f"{url.removesuffix(base_path)}/health") == 200


async def test_the_metrics_have_one_name_for_both(serve: Serve) -> None:
    """That at the root, as before there was a base path."""
    url = await serve(base_path="/w")
    before = {route for route, *_ in COUNTERS.requests}
    for begin in (url, url.removesuffix("/w"), f"{url}/"):
        await status(f"{begin}{API}/pools/default_pool")
    routes = {route for route, *_ in COUNTERS.requests} - before
    assert routes <= {f"{API}/pools/{{name}}"}


@pytest.mark.parametrize("spelling", ["/dags/d/delete_dag", "/dags/d"])
async def test_a_dag_is_deleted_either_way(serve: Serve, database: str, spelling: str) -> None:
    """The older path does the same."""
    conn = await asyncpg.connect(database)
    await conn.execute("INSERT INTO dag (dag_id, is_active, is_paused, is_subdag) VALUES ('d', true, false, false)")
    url = await serve()
    async with aiohttp.ClientSession() as session, session.delete(f"{url}{API}{spelling}") as response:
        assert (response.status, await response.json()) == (200, {"count": 1, "message": "Removed 1 record(s)"})
    assert await conn.fetchval("SELECT count(*) FROM dag") == 0
    await conn.close()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ""),
        ({"base_url": "http://localhost:8080"}, ""),
        ({"base_url": "https://example.com/airflow"}, "/airflow"),
        ({"base_url": "https://example.com/a//b/?c=d"}, "/a/b"),
        ({"base_url": "https://example.com/a%20b"}, ""),
        ({"base_url": "https://example.com/../x"}, ""),
        ({"base_url": "https://example.com/airflow", "base_path": "/"}, ""),
        ({"base_url": "https://example.com/airflow", "base_path": "/w"}, "/w"),
    ],
)
def test_it_is_by_default_the_path_of_base_url(options: dict[str, str], expected: str) -> None:
    """As Airflow serves below it; what is set wins."""
    overrides = {"dsn": "postgresql://nowhere", **options}
    config = load_config({"AIRFLOW_HOME": "/nonexistent"}, overrides=overrides)
    assert config.base_path == expected
