"""The URL table: one line for each endpoint."""

from aiohttp import web

from server.api.handlers import dag_runs, dags, health, import_errors, pools, session, task_logs, tasks

PREFIX = "/api/experimental"
HEALTH = "/health"

# These GETs change something: the protection against CSRF covers them like any POST, and HEAD must not reach them.
CHANGING_GETS = frozenset({dags.set_paused})
# A session begins with credentials, never with another session, so none lasts longer than its lifetime.
WITHOUT_SESSION = frozenset({session.create})
# These change nothing that belongs in the log of changes.
UNLOGGED = frozenset({session.create, session.delete})


def table(prefix: str) -> list[web.RouteDef]:
    """Every endpoint of the API, below `prefix`; fixed words and variables alternate, as the router needs it."""
    get, post, patch, delete = web.get, web.post, web.patch, web.delete
    pool = f"{prefix}/pools/{{name}}"
    dag = f"{prefix}/dags/{{dag_id}}"
    run = f"{dag}/dag_runs/{{execution_date}}"
    return [
        get(f"{prefix}/test", health.test),
        get(f"{prefix}/openapi.json", health.openapi),
        post(f"{prefix}/session", session.create),
        delete(f"{prefix}/session", session.delete),
        get(f"{prefix}/dags", dags.list_dags),
        get(f"{prefix}/import_errors", import_errors.list_import_errors),
        get(f"{prefix}/latest_runs", dag_runs.latest_runs),
        get(f"{prefix}/pools", pools.list_pools),
        post(f"{prefix}/pools", pools.set_pool),
        get(pool, pools.pool),
        delete(pool, pools.delete_pool),
        post(f"{dag}/dag_runs", dag_runs.trigger),
        get(f"{dag}/dag_runs", dag_runs.list_runs),
        get(run, dag_runs.state),
        get(f"{run}/tasks/{{task_id}}", tasks.task_instance),
        get(f"{run}/tasks/{{task_id}}/logs", task_logs.task_log),
        get(f"{run}/tasks/{{task_id}}/waits_for", tasks.waits_for),
        get(f"{dag}/tasks", tasks.list_tasks),
        get(f"{dag}/tasks/{{task_id}}", tasks.task),
        get(f"{dag}/paused", dags.is_paused),
        get(f"{dag}/paused/{{paused}}", dags.set_paused, allow_head=False),
        get(f"{dag}/code", dags.code),
        patch(dag, dags.patch),
        delete(dag, dags.delete),
        # Some releases of Airflow's own client use this path.
        delete(f"{dag}/delete_dag", dags.delete),
    ]
