"""From a request to its answer: finds the endpoint and calls the middlewares, in fewer steps than aiohttp."""

from collections.abc import Awaitable, Callable
from functools import cache, reduce

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from server.http.keys import PATHS

Dispatch = Callable[[web.Request], Awaitable[web.StreamResponse]]


def dispatcher(app: web.Application) -> Dispatch:
    """Make the handler of requests without `Expect` for `app`, which must not change any more.

    aiohttp calls the middlewares by keywords, and resolves a path from its end.
    """
    find = app[PATHS].find if PATHS in app else _nowhere
    elsewhere = app.router.resolve
    middlewares = app.middlewares[::-1]

    def surround(handler: Handler) -> Handler:
        return reduce(_around, middlewares, handler)

    endpoint = cache(surround)

    def dispatch(request: web.Request) -> Awaitable[web.StreamResponse]:
        match = find(request)
        if match is None:
            return dispatch_elsewhere(request)
        match.add_app(app)
        request._match_info = match
        return endpoint(match.handler)(request)

    async def dispatch_elsewhere(request: web.Request) -> web.StreamResponse:
        match = await elsewhere(request)
        match.add_app(app)
        request._match_info = match
        # If there is no endpoint, aiohttp makes a new handler each time that says so: do not keep it.
        return await surround(match.handler)(request)

    return dispatch


def _nowhere(_request: web.Request) -> None:
    return None


def _around(handler: Handler, middleware: Middleware) -> Handler:
    """Put a middleware around a handler."""
    return lambda request: middleware(request, handler)
