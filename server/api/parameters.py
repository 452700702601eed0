"""Warns of query parameters that an endpoint does not know: it ignores them, as Airflow does, but says so."""

from aiohttp import web

from server.api.routes import PARAMETERS
from server.wire.warning_header import warn_of_ignored


def warn_of_unknown(request: web.Request) -> None:
    """Warn of parameters in `request` that its endpoint does not know, if there is such an endpoint."""
    match = request.match_info
    if match.route.resource is not None:
        warn_of_ignored("Query parameter", request.query, PARAMETERS.get(match.handler, frozenset()))
