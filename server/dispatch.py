"""From a request to its answer: the endpoint is found, the middlewares are called, all without aiohttp's ado."""

from collections.abc import Awaitable, Callable
from functools import cache, reduce

from aiohttp import web
from aiohttp.abc import AbstractMatchInfo
from aiohttp.typedefs import Handler, Middleware

from server.resources import PATHS

Dispatch = Callable[[web.Request], Awaitable[web.StreamResponse]]


def dispatcher(app: web.Application) -> Dispatch:
    """Do for `app`, which is not changed any more, what its own handler does of a request without `Expect`.

    aiohttp builds a chain of middlewares for each request and calls it by keywords, and walks a path from its end.
    """
    find = app[PATHS].find if PATHS in app else _nowhere
    resolve = app.router.resolve
    middlewares = app.middlewares[::-1]

    @cache
    def endpoint(handler: Handler) -> Handler:
        return reduce(_around, middlewares, handler)

    def begin(request: web.Request, match: AbstractMatchInfo) -> None:
        match.add_app(app)
        request._match_info = match  # type: ignore[assignment]  # noqa: SLF001 - as aiohttp does

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        match = await resolve(request)
        begin(request, match)
        # Where there is nothing, aiohttp makes a handler that says so, a new one each time.
        return await reduce(_around, middlewares, match.handler)(request)

    def dispatch(request: web.Request) -> Awaitable[web.StreamResponse]:
        match = find(request)
        if match is None:
            return elsewhere(request)
        begin(request, match)
        return endpoint(match.handler)(request)

    return dispatch


def _nowhere(_request: web.Request) -> None:
    return None


def _around(handler: Handler, middleware: Middleware) -> Handler:
    """Put a middleware around a handler."""
    return lambda request: middleware(request, handler)
