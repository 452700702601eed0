"""CORS: pages of the configured origins, and of no others, may call the API from a browser."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from server.http.answers import SERVER
from windsock.config import Config
from windsock.protocol import WARNING_HEADER

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, X-Request-ID",
    "Access-Control-Max-Age": "600",
    "Server": SERVER,
}
_EXPOSED = f"Link, Retry-After, X-Request-ID, X-Total-Count, {WARNING_HEADER}"


def middlewares(config: Config) -> list[Middleware]:
    """Build the middleware that answers preflight requests, if there are origins; preflights have no credentials."""
    if not config.cors_origins:
        return []
    origins = frozenset(config.cors_origins)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if preflight and request.headers.get("Origin") in origins:
            return web.Response(status=204, headers=_PREFLIGHT)
        return await handler(request)

    return [middleware]


def install(app: web.Application, config: Config) -> None:
    """Tell browsers which origins may read answers; without configured origins no answer has such a header."""
    if not config.cors_origins:
        return
    origins = frozenset(config.cors_origins)

    async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
        others = response.headers.get("Vary")
        response.headers["Vary"] = f"{others}, Origin" if others else "Origin"
        origin = request.headers.get("Origin")
        if origin in origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Credentials"] = "true"
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED

    app.on_response_prepare.append(add_headers)
