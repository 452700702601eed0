"""Default-deny: every path that is not listed as open needs the consent of a backend, or a session based on it.

What the caller may do is checked here, too, before a handler looks at anything.
"""

import logging
from collections.abc import Callable

import asyncpg
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from server.api.audit import entry
from server.api.callers import session_of
from server.api.challenges import spare_dialog
from server.api.permission_check import check_permissions, withhold
from server.api.resources import AFTER_LOG, IDENTITY, METADATA
from server.api.routes import CHANGING_GETS, UNLOGGED, WITHOUT_SESSION
from server.auth.chain import Chain
from server.auth.contract import Identity
from server.errors import WindsockError
from server.http import csrf
from server.http.keys import ANSWER_HEADERS, USER
from server.metrics.counters import COUNTERS
from windsock.config import Config

logger = logging.getLogger(__name__)

_GOOD = 400
_OUTCOMES = {401: "no_credentials", 403: "refused", 429: "throttled"}


def authentication(backends: Chain, config: Config, is_open: Callable[[web.Request], bool]) -> Middleware:
    """Build the middleware: only requests that are open to everybody bypass `backends`."""
    check_host = csrf.host_rule(config, open_to_all=backends.check_host)
    authenticate, outcomes = backends.authenticate, COUNTERS.authentication
    origins = frozenset(config.cors_origins)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if is_open(request):
            return await handler(request)
        if check_host:
            check_host(request)
        changes = csrf.changes(request, CHANGING_GETS)
        if changes:
            csrf.refuse_other_sites(request, origins)
        try:
            session = await _session(request) if hdrs.COOKIE in request.headers else None
            identity = session or await authenticate(request)
        except WindsockError as error:
            outcomes[_OUTCOMES.get(error.status, "unavailable")] += 1
            spare_dialog(error, request)
            raise
        outcomes["accepted"] += 1
        request[USER], request[IDENTITY] = identity.user, identity
        if identity.headers:
            request[ANSWER_HEADERS] = identity.headers
        await check_permissions(request, identity)
        try:
            response = await handler(request)
        except WindsockError as error:
            await withhold(error, request)
            raise
        if identity.headers and not response.prepared:
            response.headers.update(identity.headers)
        if changes and response.status < _GOOD:
            await _finish_change(request, response, config)
        return response

    return middleware


async def _session(request: web.Request) -> Identity | None:
    """Return whose session it is, if the endpoint takes one."""
    return None if request.match_info.handler in WITHOUT_SESSION else await session_of(request)


async def _finish_change(request: web.Request, response: web.StreamResponse, config: Config) -> None:
    """Log a change, and only then wait for what its answer still needs."""
    if config.audit_log:
        await _log_change(request, request[USER], config.sensitive_names)
    # Only a query asks for that.
    if request.query_string and (later := request.get(AFTER_LOG)) is not None:
        response.headers.update(await later())


async def _log_change(request: web.Request, user: str | None, sensitive: tuple[str, ...]) -> None:
    log = request.app[METADATA].log
    if (user is None and not log.names_anonymous) or request.match_info.handler in UNLOGGED:
        return
    row = entry(request, log.style, sensitive) if log.exists else None
    if row is None:
        return
    try:
        await log.write(row)
    except (WindsockError, asyncpg.PostgresError) as error:
        # The caller's request is done; that the change cannot be logged is for the operator to know.
        logger.warning("a change could not be written to the log table", extra={"reason": type(error).__name__})
