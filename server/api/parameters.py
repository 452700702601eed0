"""Warns of query parameters that an endpoint does not know: it ignores them, as Airflow does, but says so."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from aiohttp import web
from aiohttp.typedefs import Handler

from server.api.handlers import dag_runs, dags, import_errors, task_logs, tasks
from server.wire.query import PAGE_PARAMETERS, RUN_PARAMETERS
from server.wire.warning_header import warn_of_ignored

# The parameters of each endpoint that has any.
KNOWN: Mapping[Handler, AbstractSet[str]] = {
    dags.list_dags: PAGE_PARAMETERS,
    dag_runs.list_runs: RUN_PARAMETERS,
    import_errors.list_import_errors: PAGE_PARAMETERS,
    tasks.task_instance: frozenset({"map_index"}),
    task_logs.task_log: frozenset({"try_number", "tail"}),
}


def warn_of_unknown(request: web.Request) -> None:
    """Warn of parameters in `request` that its endpoint does not know, if there is such an endpoint."""
    match = request.match_info
    if match.route.resource is not None:
        warn_of_ignored("Query parameter", request.query, KNOWN.get(match.handler, frozenset()))
