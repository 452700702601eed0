"""From a request to its answer: the endpoint is found, the middlewares are called, all without aiohttp's ado."""

from collections.abc import Awaitable, Callable
from functools import reduce

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from server.resources import PATHS

Dispatch = Callable[[web.Request], Awaitable[web.StreamResponse]]


def dispatcher(app: web.Application) -> Dispatch:
    """Do for `app`, which is not changed any more, what its own handler does of a request without `Expect`.

    aiohttp builds a chain of middlewares for each handler and calls it by keywords, and walks a path from its end.
    """
    find = app[PATHS].find if PATHS in app else _nowhere
    elsewhere = app.router.resolve
    call = reduce(_around, reversed(app.middlewares or [_call]))

    async def dispatch(request: web.Request) -> web.StreamResponse:
        match = find(request)
        if match is None:
            match = await elsewhere(request)
        match.add_app(app)
        request._match_info = match  # noqa: SLF001 - as aiohttp does
        return await call(request, match.handler)

    return dispatch


def _nowhere(_request: web.Request) -> None:
    return None


def _call(request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
    """Call the handler: what is left of a chain of no middlewares."""
    return handler(request)


def _around(inner: Middleware, outer: Middleware) -> Middleware:
    """Make one middleware of two."""
    return lambda request, handler: outer(request, lambda request: inner(request, handler))
