"""The index of endpoints finds what aiohttp's own dispatcher finds."""

import itertools

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from server.api import routes
from server.http.router import Paths

PREFIX = "/base/api/experimental"
METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS")
IDS = ("d", "a%2Fb", "a%2fb", "a%252Fb", "%25", "%zz", "%C5%BC", "a%20b", "+", ".", "a;b=c", "")


def routers() -> tuple[web.UrlDispatcher, web.UrlDispatcher]:
    """Both: aiohttp's alone, and with the index."""
    plain, indexed = web.UrlDispatcher(), web.UrlDispatcher()
    plain.add_routes(routes.table(PREFIX))
    indexed.register_resource(Paths(PREFIX, routes.table(PREFIX)))
    return plain, indexed


async def found(router: web.UrlDispatcher, method: str, path: str) -> tuple[object, ...]:
    """What the router makes of a request: handler, route, what the caller chose, or the error with its `Allow`."""
    match = await router.resolve(make_mocked_request(method, path))
    error = match.http_exception
    if error is not None:
        return error.status, error.headers.get("Allow")
    assert match.route.resource is not None
    return match.handler, match.route.resource.canonical, dict(match)


@pytest.mark.parametrize(
    "rest",
    [
        "", "/", "//", "/dag_runs", "/dag_runs/", "/dag_runs/2020-01-01T00:00:00+00:00", "/dag_runs/now/tasks",
        "/dag_runs//tasks/t", "/dag_runs/2020-01-01T00%3A00%3A00%2B00%3A00/tasks/t%2Fu", "/dag_runs/now/tasks/t/logs",
        "/dag_runs/now/tasks/t/logs/1", "/tasks", "/tasks/t?a=b", "/tasks%2Ft", "/paused", "/paused/true", "/code",
        "/code/x", "/Code", "/%64ag_runs", "/nope", "/dag_runs/../code",
    ],
)  # fmt: skip
async def test_the_index_finds_what_aiohttp_finds(rest: str) -> None:
    """Endpoint, variables with quoted slashes, 404, and 405 with its `Allow`."""
    plain, indexed = routers()
    for method, dag_id in itertools.product(METHODS, IDS):
        path = f"{PREFIX}/dags/{dag_id}{rest}"
        assert await found(indexed, method, path) == await found(plain, method, path), (method, path)


@pytest.mark.parametrize(
    "rest",
    [
        "", "/", "//", "/test", "/test/", "/test?a=b", "/Test", "/tes%74", "/dags", "/dags/", "/pools", "/pools/a%2Fb",
        "/pools/", "/pools/a/b", "/dag_runs/states", "/dag_runs/states?a=b", "/dag_runs/state", "/dag_runs/st%61tes",
        "/dag_runs/states/", "/dag_runs/", "/dag_runs/{states}",
        "/latest_runs", "/openapi.json", "/session", "/nope", "/dags//code", "x/test",
    ],
)  # fmt: skip
async def test_the_index_finds_what_is_no_dags(rest: str) -> None:
    """The other endpoints likewise, and nothing beside the prefix."""
    plain, indexed = routers()
    for method in METHODS:
        path = f"{PREFIX}{rest}"
        assert await found(indexed, method, path) == await found(plain, method, path), (method, path)


@pytest.mark.parametrize("path", ["/base/api/other/test", "/x/y/z/test", "/base/api/experimentaltest", "/test", "/"])
def test_what_is_elsewhere_is_not_found(path: str) -> None:
    """The dispatcher asks the index first of any path, also of one with as many parts and the same words."""
    assert Paths(PREFIX, routes.table(PREFIX)).find(make_mocked_request("GET", path)) is None


def test_a_path_that_was_asked_for_before_is_found_afresh() -> None:
    """What a handler or middleware does to one request's match is nothing to the next."""
    paths, request = Paths(PREFIX, routes.table(PREFIX)), make_mocked_request("GET", f"{PREFIX}/dags/d/code")
    first = paths.find(request)
    assert first is not None
    first["dag_id"] = "other"
    second = paths.find(request)
    assert second is not None
    assert (second["dag_id"], second.apps) == ("d", ())


async def test_braces_are_characters_like_others() -> None:
    """Unlike in aiohttp's own patterns: a DAG of such a name is found."""
    _, indexed = routers()
    assert (await found(indexed, "GET", f"{PREFIX}/dags/%7Bx%7D/code"))[2] == {"dag_id": "{x}"}


def test_every_route_is_listed() -> None:
    """Whoever walks the routes of the application sees them all."""
    plain, indexed = routers()
    assert [route.handler for route in indexed.routes()] == [route.handler for route in plain.routes()]
    assert len(next(iter(indexed.resources()))) == len(plain.routes())
