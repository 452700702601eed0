"""The URL table: one line for each endpoint, with all that is special about it."""

from collections.abc import Set as AbstractSet
from typing import NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler

from server.api.handlers import (
    dag_runs,
    dags,
    details,
    events,
    health,
    import_errors,
    pools,
    session,
    steering,
    task_logs,
    tasks,
)
from server.api.needs import (
    DAG_READ,
    INSTANCE_EDIT,
    INSTANCE_READ,
    POOL_CREATE,
    POOL_EDIT,
    POOL_READ,
    RUN_DELETE,
    RUN_EDIT,
    RUN_READ,
    TASK_READ,
)
from server.auth.permissions import NOTHING_MORE, Needs, Permission, Resource, edits_dag, needs, reads
from server.errors import StartupError
from server.wire.dag_search import DAGS_PARAMETERS
from server.wire.query import (
    DETAILS_PARAMETERS,
    EVENT_PARAMETERS,
    GRID_PARAMETERS,
    LOG_PARAMETERS,
    NEXT_RUNS_PARAMETERS,
    PAGE_PARAMETERS,
    RUN_PARAMETERS,
    WAIT_PARAMETERS,
)

HEALTH = "/health"

_POOL = "/pools/{name}"
_DAG = "/dags/{dag_id}"
_RUN = f"{_DAG}/dag_runs/{{execution_date}}"
_TASK = f"{_RUN}/tasks/{{task_id}}"

# The operation finds out whether the pool is new.
_POOL_SET = Needs(either=(POOL_CREATE, POOL_EDIT))


class Endpoint(NamedTuple):
    """An endpoint. In its path fixed words and variables alternate, as the router needs it.

    It `needs` permissions, as Airflow 2's REST API does for the same thing; an endpoint that does not say which ones
    stops the start. `parameters` are those of the query that it knows. If a GET `changes` something, the protection
    against CSRF covers it like any POST, and HEAD does not reach it. An endpoint that is not `logged` changes nothing
    that belongs in the log of changes. One that does not take a `session` needs credentials.
    """

    method: str
    path: str
    handler: Handler
    needs: Needs | None = None
    parameters: AbstractSet[str] = frozenset()
    changes: bool = False
    logged: bool = True
    session: bool = True


ENDPOINTS = (
    Endpoint("GET", "/test", health.test, NOTHING_MORE),
    Endpoint("GET", "/version", health.version, NOTHING_MORE),
    Endpoint("GET", "/openapi.json", health.openapi, NOTHING_MORE),
    Endpoint("GET", "/whoami", session.whoami, NOTHING_MORE),
    # A session begins with credentials, never with another session, so none lasts longer than its lifetime.
    Endpoint("POST", "/session", session.create, NOTHING_MORE, logged=False, session=False),
    Endpoint("DELETE", "/session", session.delete, NOTHING_MORE, logged=False),
    Endpoint("GET", "/dags", dags.list_dags, DAG_READ, DAGS_PARAMETERS),
    Endpoint("GET", "/dag_tags", dags.dag_tags, DAG_READ),
    Endpoint("GET", "/import_errors", import_errors.list_import_errors, reads(Resource.IMPORT_ERRORS), PAGE_PARAMETERS),
    Endpoint("GET", "/latest_runs", dag_runs.latest_runs, RUN_READ, DETAILS_PARAMETERS),
    Endpoint("GET", "/unfinished_runs", dag_runs.unfinished_runs, RUN_READ),
    # It changes nothing: a list of runs may be too long for a URL.
    Endpoint("POST", "/dag_runs/states", dag_runs.states, RUN_READ, WAIT_PARAMETERS, logged=False),
    Endpoint("GET", "/events", events.events, RUN_READ, EVENT_PARAMETERS),
    Endpoint("GET", "/pools", pools.list_pools, POOL_READ, DETAILS_PARAMETERS),
    Endpoint("POST", "/pools", pools.set_pool, _POOL_SET),
    Endpoint("GET", _POOL, pools.pool, POOL_READ),
    Endpoint("DELETE", _POOL, pools.delete_pool, needs("can_delete", Resource.POOLS)),
    Endpoint(
        "POST",
        f"{_DAG}/dag_runs",
        dag_runs.trigger,
        edits_dag(Permission("can_create", Resource.RUNS)),
        WAIT_PARAMETERS,
    ),
    Endpoint("GET", f"{_DAG}/dag_runs", dag_runs.list_runs, RUN_READ, RUN_PARAMETERS),
    Endpoint("GET", _RUN, dag_runs.state, RUN_READ, WAIT_PARAMETERS | DETAILS_PARAMETERS),
    Endpoint("PATCH", _RUN, steering.set_run_state, RUN_EDIT),
    Endpoint("DELETE", _RUN, steering.delete_run, RUN_DELETE),
    Endpoint("POST", f"{_RUN}/clear", steering.clear, INSTANCE_EDIT),
    Endpoint("GET", f"{_RUN}/tasks", details.list_instances, INSTANCE_READ, PAGE_PARAMETERS),
    Endpoint("GET", _TASK, tasks.task_instance, INSTANCE_READ, frozenset({"map_index"})),
    Endpoint("PATCH", _TASK, steering.set_instance_state, INSTANCE_EDIT, frozenset({"map_index"})),
    Endpoint("GET", f"{_TASK}/logs", task_logs.task_log, reads(Resource.DAGS, Resource.LOGS), LOG_PARAMETERS),
    Endpoint("GET", f"{_TASK}/waits_for", tasks.waits_for, INSTANCE_READ),
    Endpoint("GET", f"{_DAG}/tasks", tasks.list_tasks, TASK_READ, DETAILS_PARAMETERS),
    Endpoint("GET", f"{_DAG}/tasks/{{task_id}}", tasks.task, TASK_READ),
    Endpoint("GET", f"{_DAG}/grid", details.grid, INSTANCE_READ, GRID_PARAMETERS),
    Endpoint("GET", f"{_DAG}/paused", dags.is_paused, DAG_READ),
    Endpoint("GET", f"{_DAG}/paused/{{paused}}", dags.set_paused, edits_dag(), changes=True),
    Endpoint("GET", f"{_DAG}/code", dags.code, reads(Resource.DAGS, Resource.CODE)),
    Endpoint("GET", _DAG, details.dag, DAG_READ, NEXT_RUNS_PARAMETERS),
    Endpoint("PATCH", _DAG, dags.patch, edits_dag()),
    Endpoint("DELETE", _DAG, dags.delete, needs("can_delete", Resource.DAGS)),
    # Some releases of Airflow's own client use this path.
    Endpoint("DELETE", f"{_DAG}/delete_dag", dags.delete, needs("can_delete", Resource.DAGS)),
)

# The same facts by handler, for the middlewares.
PARAMETERS = {each.handler: each.parameters for each in ENDPOINTS if each.parameters}
CHANGING_GETS = frozenset(each.handler for each in ENDPOINTS if each.changes)
WITHOUT_SESSION = frozenset(each.handler for each in ENDPOINTS if not each.session)
NEEDS = {each.handler: each.needs for each in ENDPOINTS if each.needs is not None}
UNLOGGED = frozenset(each.handler for each in ENDPOINTS if not each.logged)


def table(prefix: str) -> list[web.RouteDef]:
    """Return the table as aiohttp takes it, below `prefix`; GET serves HEAD too, unless it changes something.

    Raises StartupError if an endpoint does not say what it needs.
    """
    if silent := [f"{each.method} {each.path}" for each in ENDPOINTS if each.needs is None]:
        raise StartupError(f"server/api/routes.py: {', '.join(silent)} must say which permissions it needs")
    return [
        web.get(f"{prefix}{each.path}", each.handler, allow_head=not each.changes)
        if each.method == "GET"
        else web.route(each.method, f"{prefix}{each.path}", each.handler)
        for each in ENDPOINTS
    ]
