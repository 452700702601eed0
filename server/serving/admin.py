"""The admin listener: `/live`, `/ready` and `/metrics`, on an address of its own, for operators only."""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from server.errors import StartupError
from server.http.answers import SERVER, error_answer, json_answer
from server.http.connection import HttpProtocol
from server.http.slow_readers import SlowReaders
from server.logs import ACCESS
from server.metrics.exposition import CONTENT_TYPE, Service, render
from server.metrics.snapshot import Snapshot
from windsock.config import Config
from windsock.protocol import Code

access_log = structlog.get_logger(ACCESS)


class Observed(Protocol):
    """What the admin listener reports about."""

    async def figures(self) -> tuple[Snapshot, Service]:
        """Return the figures of all processes."""

    async def problem(self) -> str | None:
        """Return the reason why the service cannot serve, or None."""


@web.middleware
async def _log(request: web.Request, handler: Handler) -> web.StreamResponse:
    start = time.perf_counter()
    response = await handler(request)
    access_log.info(
        "request",
        method=request.method,
        route=request.path,
        path=request.path,
        status=response.status,
        duration_ms=round((time.perf_counter() - start) * 1000, 2),
        user=None,
        remote=request.remote,
    )
    return response


@asynccontextmanager
async def admin_listener(config: Config, observed: Observed) -> AsyncIterator[None]:
    """Serve the admin address, if there is one, while the block runs; raises StartupError if the address is taken."""
    if not config.admin_port:
        yield
        return
    runner = web.AppRunner(
        create_admin(observed, logged=config.access_log and config.access_log_probes),
        access_log=None,
        shutdown_timeout=1,
    )
    await runner.setup()
    try:
        async with await _listen(config, runner):
            yield
    finally:
        await runner.cleanup()


async def _listen(config: Config, runner: web.AppRunner) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    assert runner.server is not None  # noqa: S101 - `setup` made it
    options: dict[str, Any] = {"access_log": None, "keepalive_timeout": 75}
    factory = functools.partial(HttpProtocol, runner.server, SlowReaders(config.write_timeout), loop=loop, **options)
    try:
        return await loop.create_server(factory, config.admin_host, config.admin_port)
    except OSError as error:
        raise StartupError(
            f"cannot listen on {config.admin_host}:{config.admin_port}: {error.strerror};"
            " choose another [windsock] admin_port"
        ) from error


def create_admin(observed: Observed, *, logged: bool = False) -> web.Application:
    """Build the application of the admin listener; `logged` says whether its requests are logged."""

    async def live(_request: web.Request) -> web.Response:
        return json_answer({"status": "alive"})

    async def ready(_request: web.Request) -> web.Response:
        problem = await observed.problem()
        return error_answer(Code.UNAVAILABLE, problem, 503) if problem else json_answer({"status": "ready"})

    async def metrics(_request: web.Request) -> web.Response:
        text = render(*await observed.figures())
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE, "Server": SERVER})

    app = web.Application(client_max_size=1, middlewares=[_log] if logged else [])
    routes: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]]
    routes = {"/live": live, "/ready": ready, "/metrics": metrics}
    app.add_routes([web.get(path, handler) for path, handler in routes.items()])
    return app
