"""Tasks and task instances."""

from aiohttp import web

from server import wire
from server.api.handlers.paging import wants_details
from server.api.needs import shows_totals
from server.api.resources import OPERATIONS
from server.http.answers import json_answer


async def list_tasks(request: web.Request) -> web.Response:
    """`GET /dags/<dag_id>/tasks`."""
    details, dag_id = wants_details(request), request.match_info["dag_id"]
    return json_answer(await request.app[OPERATIONS].list_tasks(dag_id, details=details))


async def task(request: web.Request) -> web.Response:
    """`GET /dags/<dag_id>/tasks/<task_id>`."""
    named = request.match_info
    return json_answer(await request.app[OPERATIONS].task(named["dag_id"], named["task_id"]))


async def task_instance(request: web.Request) -> web.Response:
    """`GET /dags/<dag_id>/dag_runs/<execution_date>/tasks/<task_id>`; `?map_index=` chooses one of a mapped task."""
    operations, named = request.app[OPERATIONS], request.match_info
    instance = operations.instance(named["dag_id"], named["execution_date"], named["task_id"])
    map_index = wire.parse_map_index(request.query.items()) if request.query_string else None
    return json_answer(await operations.task_instance(instance, map_index))


async def waits_for(request: web.Request) -> web.Response:
    """`GET /dags/<dag_id>/dag_runs/<execution_date>/tasks/<task_id>/waits_for`."""
    operations, named = request.app[OPERATIONS], request.match_info
    instance = operations.instance(named["dag_id"], named["execution_date"], named["task_id"])
    return json_answer({"waits_for": await operations.waits_for(instance, shows_totals=shows_totals(request))})
