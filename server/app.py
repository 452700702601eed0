"""The application: its middleware chain, routes and resources. This module shows the whole server."""

from collections.abc import AsyncIterator, Callable
from functools import lru_cache

from aiohttp import web

from server import auth, cors, middleware, routes
from server.auth.middleware import authentication
from server.auth.sessions import Sessions
from server.config import Config
from server.handlers import service
from server.metadata.metadata import open_metadata
from server.paths import Paths, spellings
from server.proxies import Proxies
from server.resources import CONFIG, METADATA, PATHS, PROXIES, SESSIONS, TIMEZONE, TRAFFIC, Traffic
from server.wire.dates import timezone_of


def create_app(config: Config) -> web.Application:
    """Build the server that `config` describes; raises StartupError if the backend does not fit."""
    backend = auth.load_backend(config.auth_backend)
    traffic = Traffic()
    app = web.Application(
        client_max_size=config.max_body_size,
        middlewares=[
            middleware.errors(config, traffic),
            *cors.middlewares(config),
            authentication(backend, config, _health_rule(config.base_path)),
        ],
    )
    app[CONFIG] = config
    app[PROXIES] = Proxies(config.trusted_proxies)
    app[SESSIONS] = Sessions(config, backend, app[PROXIES])
    app[TRAFFIC] = traffic
    app[TIMEZONE] = timezone_of(config.default_timezone)
    health = web.get(routes.HEALTH, service.health)
    app[PATHS] = Paths(routes.PREFIX, routes.table(routes.PREFIX), [health], config.base_path)
    app.router.register_resource(app[PATHS])
    cors.install(app, config)
    app.cleanup_ctx.append(_metadata)
    for hook, signal in (("startup", app.on_startup), ("cleanup", app.on_cleanup)):
        if hasattr(backend, hook):
            signal.append(getattr(backend, hook))
    return app


def _health_rule(base_path: str) -> Callable[[str], bool]:
    """Return a function that tells whether a path is that of `/health`, in any spelling; it caches its answers."""
    return lru_cache(maxsize=1024)(lambda path: routes.HEALTH in spellings(path, base_path))


async def _metadata(app: web.Application) -> AsyncIterator[None]:
    async with open_metadata(app[CONFIG], serving=True) as metadata:
        app[METADATA] = metadata
        yield
