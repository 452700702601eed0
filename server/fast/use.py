"""Decides whether this process takes the fast path."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import aiohttp
from aiohttp import web

from server.fast.compatibility import find_problem, fits_feeding
from server.http.connection import HttpProtocol
from server.http.shortcuts import SHORTCUTS, Feeds
from server.http.slow_readers import SlowReaders

logger = logging.getLogger(__name__)

MakeProtocol = Callable[[], HttpProtocol]


async def connections(
    app: web.Application,
    server: web.Server,
    readers: SlowReaders,
    *,
    wanted: bool,
    **options: Any,  # noqa: ANN401 - aiohttp's
) -> MakeProtocol:
    """Return what serves each new connection; if the fast path is `wanted` but not possible, the log says why."""
    SHORTCUTS.feeder = _feeder()
    problem = await find_problem() if wanted else "it is switched off"
    if problem is not None:
        SHORTCUTS.fill = None
        if wanted:
            logger.warning(
                "aiohttp is not as the fast path expects it: requests are served correctly without it, but more slowly",
                extra={"aiohttp": aiohttp.__version__, "reason": problem},
            )
        return partial(HttpProtocol, server, readers, **options)
    # With another aiohttp this module may not even be importable.
    from server.fast.connection import FastProtocol  # noqa: PLC0415
    from server.fast.dispatch import dispatcher  # noqa: PLC0415
    from server.fast.whole_answers import fill  # noqa: PLC0415

    SHORTCUTS.fill = fill
    return partial(FastProtocol, server, readers, app=app, dispatch=dispatcher(app), **options)


def _feeder() -> Callable[[], Feeds] | None:
    if not fits_feeding():
        return None
    from server.fast.feeding import Feeder  # noqa: PLC0415 - likewise

    return Feeder
