"""What every request passes through first: request ids, errors that become JSON, the access log."""

import functools
import itertools
import logging
import secrets
import time
from collections.abc import Callable

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from server import warning_header
from server.answers import error_answer, http_error
from server.config import Config
from server.errors import WindsockError
from server.logs import REQUEST_ID
from server.observe.counters import COUNTERS, NO_ROUTE
from server.parameters import warn_of_unknown
from server.resources import ANSWER_HEADERS, PROXIES, USER, Traffic

logger = logging.getLogger(__name__)
access_log = structlog.get_logger("server.access")

_MAX_REQUEST_ID = 128
_OUR_FAULT = 500


def errors(config: Config, traffic: Traffic) -> Middleware:
    """Build the outermost middleware: request ids, JSON for every failure, counters, and the access log."""
    prefix, numbers = secrets.token_hex(4), itertools.count(1)
    sampled = _sampler(config)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("X-Request-ID")
        request_id = given if given and _is_usable(given) else f"{prefix}-{next(numbers):x}"
        REQUEST_ID.set(request_id)
        warning_header.begin()
        start = time.perf_counter()
        traffic.in_flight += 1
        if request.rel_url.raw_query_string:
            warn_of_unknown(request)
        try:
            response = await handler(request)
        except Exception as error:  # noqa: BLE001 - the boundary of a request
            response = _failure(error)
            response.headers.update(request.get(ANSWER_HEADERS, {}))
        finally:
            traffic.in_flight -= 1
        if not response.prepared:
            response.headers["X-Request-ID"] = request_id
            if (warning := warning_header.joined()) is not None:
                response.headers[warning_header.HEADER] = warning
            if traffic.stopping:
                response.force_close()
        seconds = time.perf_counter() - start
        COUNTERS.request(_template(request.match_info.route) or NO_ROUTE, request.method, response.status, seconds)
        if sampled(response.status):
            _log(request, response, seconds)
        return response

    return middleware


def _is_usable(request_id: str) -> bool:
    return len(request_id) <= _MAX_REQUEST_ID and request_id.isascii() and request_id.isprintable()


@functools.lru_cache(maxsize=64)
def _template(route: web.AbstractRoute) -> str | None:
    """The path of a route with its variables' names; None where there is no endpoint."""
    return route.resource.canonical if route.resource else None


def _failure(error: Exception) -> web.Response:
    """Answer an error as JSON; of one that nobody expected the log gets the traceback, and the caller nothing."""
    if isinstance(error, WindsockError):
        return error_answer(error.message, error.status, error.headers)
    if isinstance(error, web.HTTPException):
        return http_error(error)
    if isinstance(error, ConnectionError):
        # The caller has gone away; aiohttp closes the connection.
        raise error
    logger.error("unexpected error", exc_info=error)
    return error_answer("Internal server error", 500, request_id=REQUEST_ID.get())


def _sampler(config: Config) -> Callable[[int], bool]:
    """Tell of each status whether its request is logged: an even part of them, and all failures of ours."""
    if not config.access_log:
        return lambda _status: False
    debt = 0.0

    def sampled(status: int) -> bool:
        nonlocal debt
        debt += config.access_log_sample
        if debt >= 1:
            debt -= 1
            return True
        return status >= _OUR_FAULT

    return sampled


def _log(request: web.Request, response: web.StreamResponse, seconds: float) -> None:
    access_log.info(
        "request",
        method=request.method,
        route=_template(request.match_info.route),
        status=response.status,
        duration_ms=round(seconds * 1000, 2),
        user=request.get(USER),
        remote=request.app[PROXIES].address(request),
    )
