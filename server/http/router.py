"""Finds the endpoint of a path in one step: aiohttp would try many patterns one after the other."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from aiohttp import web
from aiohttp.web_urldispatcher import ResourceRoute

# A client that waits for a run asks for the same path again and again.
_REMEMBERED = 1024


class _Endpoint(NamedTuple):
    """The endpoints whose paths have the same shape; `names` are those of the caller's values, in braces, or words."""

    names: list[str]
    routes: dict[str, ResourceRoute]
    methods: set[str]


def spellings(path: str, base_path: str) -> list[str]:
    """Return the paths at the root that `path` may mean: it may begin with several slashes, and with `base_path`."""
    path = f"/{path.lstrip('/')}"
    if base_path and path.startswith(f"{base_path}/"):
        return [path, f"/{path.removeprefix(base_path).lstrip('/')}"]
    return [path]


class Paths(web.PlainResource):
    """Endpoints below a prefix. In their paths fixed words and the caller's values alternate.

    So the number of parts and the fixed words identify an endpoint: for `dags/{dag_id}/dag_runs/{execution_date}` these
    are 4, `dags` and `dag_runs`. In the place of a value there may also be a second fixed word. All
    endpoints are both at the root and below `base_path`, under the same name.
    """

    def __init__(
        self,
        prefix: str,
        table: Iterable[web.RouteDef],
        others: Iterable[web.RouteDef] = (),
        base_path: str = "",
        folders: Iterable[web.RouteDef] = (),
        *,
        root_first: bool = True,
    ) -> None:
        """Index the routes that aiohttp makes from `table` (all below `prefix`) and from `others` (plain paths).

        The paths of `folders` end with a value that takes all that follows, with its slashes: `/static/{path}`. A path
        that may be meant both at the root and below `base_path` is the one at the root, unless `root_first` is False.
        """
        # aiohttp asks the resources at the root about every path.
        super().__init__("/")
        first = prefix.count("/") + 1
        self._prefix, self._base_path = f"{prefix}/", base_path
        self._order = 1 if root_first else -1
        self._words, self._chosen = slice(first, None, 2), slice(first + 1, None, 2)
        self._others = {resource.canonical: _endpoint(resource, []) for resource in _resources(others)}
        self._folders = {
            resource.canonical.rpartition("{")[0]: _endpoint(resource, [resource.canonical.rpartition("{")[2][:-1]])
            for resource in _resources(folders)
        }
        self._endpoints: dict[tuple[int | str, ...], _Endpoint] = {}
        self._at = lru_cache(_REMEMBERED)(self._look_up)
        for resource in _resources(table):
            parts = resource.canonical.split("/")
            self._endpoints[len(parts), *parts[self._words]] = _endpoint(resource, parts[self._chosen])

    def __len__(self) -> int:
        """Return the number of routes."""
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[ResourceRoute]:
        """Iterate over all routes."""
        return (
            route
            for endpoint in (*self._endpoints.values(), *self._others.values(), *self._folders.values())
            for route in endpoint.routes.values()
        )

    async def resolve(self, request: web.Request) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        """Return the route and the caller's values, or say which methods the path allows."""
        match = self.find(request)
        endpoint = None if match is not None else self._at(request.rel_url.path_safe)[0]
        return match, endpoint.methods if endpoint else set()

    def find(self, request: web.Request) -> web.UrlMappingMatchInfo | None:
        """Return the route and the caller's values; None if no endpoint has the path and the method."""
        endpoint, chosen = self._at(request.rel_url.path_safe)
        if endpoint is None or (route := endpoint.routes.get(request.method)) is None:
            return None
        return web.UrlMappingMatchInfo(chosen, route)

    def is_at(self, other: str, path: str) -> bool:
        """Whether `path` leads to the endpoint with the plain path `other`, and not to one of the API."""
        return self._at(path)[0] is self._others[other]

    def _look_up(self, path: str) -> tuple[_Endpoint | None, dict[str, str]]:
        """Return the endpoint of a path, and the caller's values in it by name."""
        found = (self._look_up_at_root(spelling) for spelling in spellings(path, self._base_path)[:: self._order])
        return next((each for each in found if each[0] is not None), (None, {}))

    def _look_up_at_root(self, path: str) -> tuple[_Endpoint | None, dict[str, str]]:
        if path in self._others:
            return self._others[path], {}
        if (folder := next((each for each in self._folders if path.startswith(each)), None)) is not None:
            return self._folders[folder], {self._folders[folder].names[0]: path.removeprefix(folder)}
        parts = path.split("/")
        chosen = parts[self._chosen]
        endpoint = self._endpoints.get((len(parts), *parts[self._words]))
        if endpoint is None or "" in chosen or not path.startswith(self._prefix):
            return None, {}
        # `path_safe` leaves these two characters quoted, so that a slash in a value does not end a part.
        chosen = [part.replace("%2F", "/").replace("%25", "%") for part in chosen]
        values = dict(zip(endpoint.names, chosen, strict=True))
        if any(value != name for name, value in values.items() if not name.startswith("{")):
            return None, {}
        return endpoint, {name[1:-1]: value for name, value in values.items() if name.startswith("{")}


def _resources(table: Iterable[web.RouteDef]) -> Iterable[web.AbstractResource]:
    router = web.UrlDispatcher()
    router.add_routes(table)
    return router.resources()


def _endpoint(resource: web.AbstractResource, names: list[str]) -> _Endpoint:
    routes = {route.method: route for route in resource if isinstance(route, ResourceRoute)}
    return _Endpoint(names, routes, set(routes))
