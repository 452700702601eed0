"""Tasks and task instances."""

from aiohttp import web

from server import wire
from server.api.resources import METADATA
from server.http.answers import json_answer, json_bytes
from server.http.keys import TIMEZONE


async def list_tasks(request: web.Request) -> web.Response:
    """`GET /dags/<dag_id>/tasks`."""
    dag_id = wire.check_id(request.match_info["dag_id"], "dag_id")
    dag = await request.app[METADATA].dags.get(dag_id)
    return json_bytes(dag.known.task_list)


async def task(request: web.Request) -> web.Response:
    """`GET /dags/<dag_id>/tasks/<task_id>`."""
    dag_id = wire.check_id(request.match_info["dag_id"], "dag_id")
    task_id = wire.check_id(request.match_info["task_id"], "task_id")
    dag = await request.app[METADATA].dags.get(dag_id)
    return json_bytes(dag.task(task_id).answer)


async def task_instance(request: web.Request) -> web.Response:
    """`GET /dags/<dag_id>/dag_runs/<execution_date>/tasks/<task_id>`; `?map_index=` chooses one of a mapped task."""
    date = wire.parse_execution_date(request.match_info["execution_date"], request.app[TIMEZONE])
    dag_id = wire.check_id(request.match_info["dag_id"], "dag_id")
    task_id = wire.check_id(request.match_info["task_id"], "task_id")
    map_index = wire.parse_map_index(request.query.items()) if request.query_string else None
    return json_bytes(await request.app[METADATA].task_instances.get(dag_id, date, task_id, map_index))


async def waits_for(request: web.Request) -> web.Response:
    """`GET /dags/<dag_id>/dag_runs/<execution_date>/tasks/<task_id>/waits_for`."""
    date = wire.parse_execution_date(request.match_info["execution_date"], request.app[TIMEZONE])
    dag_id = wire.check_id(request.match_info["dag_id"], "dag_id")
    task_id = wire.check_id(request.match_info["task_id"], "task_id")
    metadata = request.app[METADATA]
    reasons = await metadata.waiting.reasons(await metadata.dags.get(dag_id), date, task_id)
    return json_answer({"waits_for": reasons})
