"""Query parameters that an endpoint does not know: ignored, as Airflow does, but not in silence."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from aiohttp import web
from aiohttp.typedefs import Handler

from server.handlers import dag_runs, dags, import_errors, logs, tasks
from server.warning_header import warn_of_ignored
from server.wire.query import PAGE_PARAMETERS, RUN_PARAMETERS

# Those of every endpoint that has any.
KNOWN: Mapping[Handler, AbstractSet[str]] = {
    dags.list_dags: PAGE_PARAMETERS,
    dag_runs.list_runs: RUN_PARAMETERS,
    import_errors.list_import_errors: PAGE_PARAMETERS,
    tasks.task_instance: frozenset({"map_index"}),
    logs.task_log: frozenset({"try_number", "tail"}),
}


def warn_of_unknown(request: web.Request) -> None:
    """Warn of the parameters that the endpoint of `request` does not know, if it is one."""
    match = request.match_info
    if match.route.resource is not None:
        warn_of_ignored("Query parameter", request.query, KNOWN.get(match.handler, frozenset()))
