"""The application: its middleware chain, routes and resources. This module shows the whole server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

from aiohttp import web

from server import auth
from server.api import middleware, routes
from server.api.authentication import authentication
from server.api.handlers import health
from server.api.resources import AUTHORIZATION, METADATA, OPERATIONS, SESSIONS
from server.auth.authorization import Authorization
from server.auth.sessions import Sessions
from server.auth.sources import choose_source
from server.database.metadata import open_metadata
from server.http import cors
from server.http.keys import CONFIG, PATHS, PROXIES, TRAFFIC, Traffic
from server.http.proxies import Proxies
from server.http.router import Paths
from server.operations import Operations
from server.page.compression import compress_for_page
from server.page.serving import Page
from server.page.sign_in import ways
from server.webhooks import Teller
from windsock.config import Config
from windsock.protocol import PREFIX

TELLER = web.AppKey("TELLER", Teller)


def create_app(config: Config) -> web.Application:
    """Build the server that `config` describes; raises StartupError if a backend does not fit."""
    backends = auth.load_chain(config.auth_backend)
    traffic = Traffic()
    others = [web.get(routes.HEALTH, health.health)]
    paths = Paths(PREFIX, routes.table(PREFIX), others, config.base_path)
    page = Page(config, ways(backends.backends)) if config.page else None
    app = web.Application(
        client_max_size=config.max_body_size,
        middlewares=[
            middleware.errors(config, traffic),
            *cors.middlewares(config),
            *([compress_for_page] if page else ()),
            authentication(backends, config, _open_to_all(paths, page)),
        ],
    )
    app[CONFIG] = config
    app[PROXIES] = Proxies(config.trusted_proxies)
    app[SESSIONS] = Sessions(config, backends, app[PROXIES])
    app[TRAFFIC] = traffic
    app[PATHS] = paths
    for resource in (paths, *(page.resources if page else ())):
        app.router.register_resource(resource)
    cors.install(app, config)
    app.cleanup_ctx.append(_metadata)
    app.cleanup_ctx.append(_authorization(backends.backends))
    if config.on_run_end_url:
        app.cleanup_ctx.append(_teller)
    backends.install(app)
    return app


def _open_to_all(paths: Paths, page: Page | None) -> Callable[[web.Request], bool]:
    """Return whether a request needs no credentials: one about the health, by any method, or for the page itself."""
    handlers = {health.health, *(page.handlers if page else ())}

    def is_open(request: web.Request) -> bool:
        match = request.match_info
        return match.handler in handlers or (
            match.http_exception is not None and paths.is_at(routes.HEALTH, request.rel_url.path_safe)
        )

    return is_open


async def _metadata(app: web.Application) -> AsyncIterator[None]:
    async with open_metadata(app[CONFIG], serving=True) as metadata:
        app[METADATA] = metadata
        app[OPERATIONS] = operations = Operations(metadata, app[CONFIG])
        app[TRAFFIC].on_stop.append(operations.stop_waiting)
        yield


async def _teller(app: web.Application) -> AsyncIterator[None]:
    """Tell others of the ends of runs, beside everything else."""
    app[TELLER] = teller = Teller(app[METADATA], app[CONFIG])
    telling = asyncio.create_task(teller.run())
    yield
    telling.cancel()
    await asyncio.wait([telling])


def _authorization(backends: Mapping[str, auth.Backend]) -> Callable[[web.Application], AsyncIterator[None]]:
    async def context(app: web.Application) -> AsyncIterator[None]:
        app[AUTHORIZATION] = Authorization(await choose_source(app[CONFIG], app[METADATA]), backends)
        yield

    return context
