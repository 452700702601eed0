"""The URL table: one line an endpoint."""

from aiohttp import web

from server.handlers import dag_runs, dags, logs, pools, service, session, tasks

PREFIX = "/api/experimental"
DAGS = f"{PREFIX}/dags"
HEALTH = "/health"

# GETs that change something: the cross-site rule covers them like any POST, and HEAD must not reach them.
CHANGING_GETS = frozenset({dags.set_paused})
# A session is begun with credentials, never with another session: none lasts longer than its lifetime.
WITHOUT_SESSION = frozenset({session.create})
# What changes nothing that the log of changes is about.
UNLOGGED = frozenset({session.create, session.delete})


def table(base_path: str) -> list[web.RouteDef]:
    """Every route that is not a DAG's, below `base_path`, which is empty or starts with a slash."""
    get, post, delete = web.get, web.post, web.delete
    api = base_path + PREFIX
    pool = f"{api}/pools/{{name}}"
    return [
        get(f"{api}/test", service.test),
        get(f"{api}/openapi.json", service.openapi),
        get(base_path + HEALTH, service.health),
        post(f"{api}/session", session.create),
        delete(f"{api}/session", session.delete),
        get(base_path + DAGS, dags.list_dags),
        get(f"{api}/latest_runs", dag_runs.latest_runs),
        get(f"{api}/pools", pools.list_pools),
        post(f"{api}/pools", pools.set_pool),
        get(pool, pools.pool),
        delete(pool, pools.delete_pool),
    ]


def dag_table(prefix: str) -> list[web.RouteDef]:
    """Every route of a DAG, below `prefix`; in them variables and words take turns, as `server.paths` wants it."""
    get, post, patch, delete = web.get, web.post, web.patch, web.delete
    dag = f"{prefix}/{{dag_id}}"
    run = f"{dag}/dag_runs/{{execution_date}}"
    return [
        post(f"{dag}/dag_runs", dag_runs.trigger),
        get(f"{dag}/dag_runs", dag_runs.list_runs),
        get(run, dag_runs.state),
        get(f"{run}/tasks/{{task_id}}", tasks.task_instance),
        get(f"{run}/tasks/{{task_id}}/logs", logs.task_log),
        get(f"{dag}/tasks", tasks.list_tasks),
        get(f"{dag}/tasks/{{task_id}}", tasks.task),
        get(f"{dag}/paused", dags.is_paused),
        get(f"{dag}/paused/{{paused}}", dags.set_paused, allow_head=False),
        get(f"{dag}/code", dags.code),
        patch(dag, dags.patch),
        delete(dag, dags.delete),
    ]
