"""The URL table: one line for each endpoint, with all that is special about it."""

from collections.abc import Set as AbstractSet
from typing import NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler

from server.api.handlers import dag_runs, dags, health, import_errors, pools, session, task_logs, tasks
from server.wire.query import PAGE_PARAMETERS, RUN_PARAMETERS

HEALTH = "/health"

_POOL = "/pools/{name}"
_DAG = "/dags/{dag_id}"
_RUN = f"{_DAG}/dag_runs/{{execution_date}}"
_TASK = f"{_RUN}/tasks/{{task_id}}"


class Endpoint(NamedTuple):
    """An endpoint. In its path fixed words and variables alternate, as the router needs it.

    `parameters` are those of the query that it knows. If a GET `changes` something, the protection against CSRF covers
    it like any POST, and HEAD does not reach it. An endpoint that is not `logged` changes nothing that belongs in the
    log of changes. One that does not take a `session` needs credentials.
    """

    method: str
    path: str
    handler: Handler
    parameters: AbstractSet[str] = frozenset()
    changes: bool = False
    logged: bool = True
    session: bool = True


ENDPOINTS = (
    Endpoint("GET", "/test", health.test),
    Endpoint("GET", "/openapi.json", health.openapi),
    # A session begins with credentials, never with another session, so none lasts longer than its lifetime.
    Endpoint("POST", "/session", session.create, logged=False, session=False),
    Endpoint("DELETE", "/session", session.delete, logged=False),
    Endpoint("GET", "/dags", dags.list_dags, PAGE_PARAMETERS),
    Endpoint("GET", "/import_errors", import_errors.list_import_errors, PAGE_PARAMETERS),
    Endpoint("GET", "/latest_runs", dag_runs.latest_runs),
    Endpoint("GET", "/pools", pools.list_pools),
    Endpoint("POST", "/pools", pools.set_pool),
    Endpoint("GET", _POOL, pools.pool),
    Endpoint("DELETE", _POOL, pools.delete_pool),
    Endpoint("POST", f"{_DAG}/dag_runs", dag_runs.trigger),
    Endpoint("GET", f"{_DAG}/dag_runs", dag_runs.list_runs, RUN_PARAMETERS),
    Endpoint("GET", _RUN, dag_runs.state),
    Endpoint("GET", _TASK, tasks.task_instance, frozenset({"map_index"})),
    Endpoint("GET", f"{_TASK}/logs", task_logs.task_log, frozenset({"try_number", "tail"})),
    Endpoint("GET", f"{_TASK}/waits_for", tasks.waits_for),
    Endpoint("GET", f"{_DAG}/tasks", tasks.list_tasks),
    Endpoint("GET", f"{_DAG}/tasks/{{task_id}}", tasks.task),
    Endpoint("GET", f"{_DAG}/paused", dags.is_paused),
    Endpoint("GET", f"{_DAG}/paused/{{paused}}", dags.set_paused, changes=True),
    Endpoint("GET", f"{_DAG}/code", dags.code),
    Endpoint("PATCH", _DAG, dags.patch),
    Endpoint("DELETE", _DAG, dags.delete),
    # Some releases of Airflow's own client use this path.
    Endpoint("DELETE", f"{_DAG}/delete_dag", dags.delete),
)

# The same facts by handler, for the middlewares.
PARAMETERS = {each.handler: each.parameters for each in ENDPOINTS if each.parameters}
CHANGING_GETS = frozenset(each.handler for each in ENDPOINTS if each.changes)
WITHOUT_SESSION = frozenset(each.handler for each in ENDPOINTS if not each.session)
UNLOGGED = frozenset(each.handler for each in ENDPOINTS if not each.logged)


def table(prefix: str) -> list[web.RouteDef]:
    """Return the table as aiohttp takes it, below `prefix`; GET serves HEAD too, unless it changes something."""
    return [
        web.get(f"{prefix}{each.path}", each.handler, allow_head=not each.changes)
        if each.method == "GET"
        else web.route(each.method, f"{prefix}{each.path}", each.handler)
        for each in ENDPOINTS
    ]
