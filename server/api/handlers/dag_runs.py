"""DAG runs: triggering, lists, state."""

from datetime import UTC, datetime

from aiohttp import web

from server import wire
from server.api.handlers.paging import page_headers
from server.api.needs import RUN_READ, readable
from server.api.resources import CHANGE, OPERATIONS
from server.http.answers import json_answer, json_list
from server.http.body import read_body
from server.http.keys import USER


async def trigger(request: web.Request) -> web.Response:
    """`POST /dags/<dag_id>/dag_runs`."""
    operations, dag_id = request.app[OPERATIONS], wire.check_id(request.match_info["dag_id"], "dag_id")
    asked = wire.parse_trigger(await read_body(request), operations.timezone, datetime.now(UTC))
    request[CHANGE] = made = await operations.trigger(dag_id, asked, request[USER])
    return json_answer(wire.trigger_answer(dag_id, made))


async def list_runs(request: web.Request) -> web.StreamResponse:
    """`GET /dags/<dag_id>/dag_runs`."""
    operations, dag_id = request.app[OPERATIONS], wire.check_id(request.match_info["dag_id"], "dag_id")
    query = wire.parse_dag_runs_query(request.query.items(), operations.timezone)
    pages, total = await operations.list_runs(dag_id, query)
    return await json_list(request, pages, page_headers(request, query.page, total))


async def state(request: web.Request) -> web.Response:
    """`GET /dags/<dag_id>/dag_runs/<execution_date>`."""
    named = request.match_info
    return json_answer({"state": await request.app[OPERATIONS].run_state(named["dag_id"], named["execution_date"])})


async def latest_runs(request: web.Request) -> web.Response:
    """`GET /latest_runs`."""
    return json_answer(await request.app[OPERATIONS].latest_runs(readable(request, RUN_READ)))
