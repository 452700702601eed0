"""DAGs: the list, their source, pausing and deletion."""

from aiohttp import web

from server import wire
from server.api.handlers.paging import page_headers
from server.api.needs import DAG_READ, RUN_READ, readable
from server.api.resources import CHANGE, OPERATIONS
from server.errors import MethodNotAllowed
from server.http.answers import json_answer, json_list, text_answer
from server.http.body import read_body
from server.http.keys import CONFIG


async def list_dags(request: web.Request) -> web.StreamResponse:
    """`GET /dags`."""
    query = wire.parse_dags_query(request.query.items())
    may_read, may_read_runs = readable(request, DAG_READ), readable(request, RUN_READ)
    pages, total = await request.app[OPERATIONS].list_dags(query, may_read, may_read_runs)
    return await json_list(request, pages, page_headers(request, query.page, total))


async def dag_tags(request: web.Request) -> web.Response:
    """`GET /dag_tags`."""
    return json_answer(await request.app[OPERATIONS].dag_tags(readable(request, DAG_READ)))


async def code(request: web.Request) -> web.Response:
    """`GET /dags/<dag_id>/code`."""
    may_read = readable(request, DAG_READ)
    return text_answer(await request.app[OPERATIONS].code(request.match_info["dag_id"], may_read))


async def is_paused(request: web.Request) -> web.Response:
    """`GET /dags/<dag_id>/paused`."""
    return json_answer({"is_paused": await request.app[OPERATIONS].is_paused(request.match_info["dag_id"])})


async def set_paused(request: web.Request) -> web.Response:
    """`GET /dags/<dag_id>/paused/<true or false>`, which changes the DAG although it is a GET."""
    if not request.app[CONFIG].pause_by_get:
        raise MethodNotAllowed(
            "Pausing by GET is switched off here ([windsock] pause_by_get);"
            ' send PATCH /dags/<dag_id> with {"is_paused": true} or {"is_paused": false} instead'
        )
    dag_id = wire.check_id(request.match_info["dag_id"], "dag_id")
    request[CHANGE] = paused = wire.parse_pause(request.match_info["paused"])
    await request.app[OPERATIONS].pause(dag_id, is_paused=paused)
    return json_answer({"response": "ok"})


async def patch(request: web.Request) -> web.Response:
    """`PATCH /dags/<dag_id>`."""
    dag_id = wire.check_id(request.match_info["dag_id"], "dag_id")
    request[CHANGE] = paused = wire.parse_dag_patch(await read_body(request))
    await request.app[OPERATIONS].pause(dag_id, is_paused=paused)
    return json_answer({"is_paused": paused})


async def delete(request: web.Request) -> web.Response:
    """`DELETE /dags/<dag_id>`."""
    return json_answer(wire.delete_answer(await request.app[OPERATIONS].delete_dag(request.match_info["dag_id"])))
