"""The outermost middleware: request ids, errors that become JSON, the access log."""

import functools
import itertools
import logging
import secrets
import time
from collections.abc import Callable

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from multidict import istr

from server.api.parameters import warn_of_unknown
from server.api.routes import HEALTH
from server.errors import WindsockError
from server.http.answers import error_answer, http_error
from server.http.keys import ANSWER_HEADERS, PROXIES, USER, Traffic
from server.logs import ACCESS, REQUEST_ID
from server.metrics.counters import COUNTERS, NO_ROUTE
from server.wire import warning_header
from windsock.config import Config
from windsock.protocol import WARNING_HEADER, Code

logger = logging.getLogger(__name__)
access_log = structlog.get_logger(ACCESS)

# aiohttp's headers look up an istr without converting it to lower case each time.
_REQUEST_ID_HEADER = istr("X-Request-ID")
_MAX_REQUEST_ID = 128
_OUR_FAULT = 500
_LONGEST_PATH, _LONGEST_ERROR = 300, 500


def errors(config: Config, traffic: Traffic) -> Middleware:
    """Build the outermost middleware: request ids, JSON for every failure, counters, and the access log."""
    prefix, numbers = secrets.token_hex(4), itertools.count(1)
    sampled = _sampler(config)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get(_REQUEST_ID_HEADER)
        request_id = given if given and _is_usable(given) else f"{prefix}-{next(numbers):x}"
        REQUEST_ID.set(request_id)
        warning_header.begin()
        start = time.perf_counter()
        traffic.in_flight += 1
        if "?" in request.raw_path:
            warn_of_unknown(request)
        said = None
        try:
            response = await handler(request)
        except Exception as error:  # noqa: BLE001 - the boundary of a request
            response, said = _failure(error)
            response.headers.update(request.get(ANSWER_HEADERS, {}))
        finally:
            traffic.in_flight -= 1
        if not response.prepared:
            response.headers[_REQUEST_ID_HEADER] = request_id
            if (warning := warning_header.joined()) is not None:
                response.headers[WARNING_HEADER] = warning
            if traffic.stopping:
                response.force_close()
        seconds = time.perf_counter() - start
        route = _template(request.match_info.route)
        COUNTERS.request(route or NO_ROUTE, request.method, response.status, seconds)
        if sampled(response.status, route):
            _log(request, response, seconds, said)
        return response

    return middleware


def _is_usable(request_id: str) -> bool:
    return len(request_id) <= _MAX_REQUEST_ID and request_id.isascii() and request_id.isprintable()


@functools.lru_cache(maxsize=64)
def _template(route: web.AbstractRoute) -> str | None:
    """Return the path of a route with its variables' names; None if there is no endpoint."""
    return route.resource.canonical if route.resource else None


def _failure(error: Exception) -> tuple[web.Response, str | None]:
    """Answer an error as JSON, and return the text about it for the access log.

    For an unexpected error the log gets the traceback, and the caller learns nothing.
    """
    if isinstance(error, WindsockError):
        return error_answer(error.code, error.message, error.status, error.headers), error.logged or error.message
    if isinstance(error, web.HTTPException):
        return http_error(error), error.reason
    if isinstance(error, ConnectionError):
        # The caller has left; aiohttp closes the connection.
        raise error
    logger.error("unexpected error", exc_info=error)
    return error_answer(Code.INTERNAL_ERROR, "Internal server error", 500, request_id=REQUEST_ID.get()), None


def _sampler(config: Config) -> Callable[[int, str | None], bool]:
    """Return a function that tells from status and route whether to log a request: an even share, and all our failures.

    Requests for `/health` are left out, unless the operator wants them.
    """
    if not config.access_log:
        return lambda _status, _route: False
    left_out = None if config.access_log_probes else HEALTH
    debt = 0.0

    def sampled(status: int, route: str | None) -> bool:
        nonlocal debt
        if route is not None and route == left_out:
            return status >= _OUR_FAULT
        debt += config.access_log_sample
        if debt >= 1:
            debt -= 1
            return True
        return status >= _OUR_FAULT

    return sampled


def _log(request: web.Request, response: web.StreamResponse, seconds: float, said: str | None) -> None:
    """Write the request's line. The path has no query, because some clients put credentials there."""
    error = {} if said is None else {"error": said[:_LONGEST_ERROR]}
    access_log.info(
        "request",
        method=request.method,
        route=_template(request.match_info.route),
        path=request.rel_url.raw_path[:_LONGEST_PATH],
        status=response.status,
        duration_ms=round(seconds * 1000, 2),
        user=request.get(USER),
        remote=request.app[PROXIES].address(request),
        **error,
    )
