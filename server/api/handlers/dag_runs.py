"""DAG runs: triggering, lists, state."""

from datetime import UTC, datetime

from aiohttp import web

from server import wire
from server.api.handlers.paging import page_headers
from server.api.resources import CHANGE, METADATA
from server.database.dag_runs import RunFilter
from server.http.answers import json_answer, json_bytes, json_list
from server.http.body import read_body
from server.http.keys import TIMEZONE, USER


async def trigger(request: web.Request) -> web.Response:
    """`POST /dags/<dag_id>/dag_runs`."""
    dag_id = wire.check_id(request.match_info["dag_id"], "dag_id")
    app = request.app
    asked = wire.parse_trigger(await read_body(request), app[TIMEZONE], datetime.now(UTC))
    request[CHANGE] = made = await app[METADATA].dag_runs.trigger(dag_id, asked, request[USER])
    return json_bytes(wire.trigger_answer(dag_id, made))


async def list_runs(request: web.Request) -> web.StreamResponse:
    """`GET /dags/<dag_id>/dag_runs`."""
    dag_id = wire.check_id(request.match_info["dag_id"], "dag_id")
    query = wire.parse_dag_runs_query(request.query.items(), request.app[TIMEZONE])
    selection = RunFilter(
        states=query.states or None,
        run_id=query.run_id,
        execution_date_gte=query.execution_date_gte,
        execution_date_lte=query.execution_date_lte,
        descending=query.page.descending,
        limit=query.page.limit,
        offset=query.page.offset,
    )
    runs = request.app[METADATA].dag_runs
    total = await runs.count(dag_id, selection) if query.page.partial else None
    return await json_list(request, runs.pages(dag_id, selection), page_headers(request, query.page, total))


async def state(request: web.Request) -> web.Response:
    """`GET /dags/<dag_id>/dag_runs/<execution_date>`."""
    date = wire.parse_execution_date(request.match_info["execution_date"], request.app[TIMEZONE])
    dag_id = wire.check_id(request.match_info["dag_id"], "dag_id")
    return json_answer({"state": await request.app[METADATA].dag_runs.state(dag_id, date)})


async def latest_runs(request: web.Request) -> web.Response:
    """`GET /latest_runs`."""
    return json_bytes(await request.app[METADATA].dag_runs.latest())
