"""What there is to know of a DAG, and of the task instances of a run."""

from aiohttp import web

from server import wire
from server.api.handlers.paging import page_headers
from server.api.needs import IMPORT_ERROR_READ, RUN_READ, missing, readable, shows_totals
from server.api.resources import OPERATIONS
from server.http.answers import json_answer, json_list


async def list_instances(request: web.Request) -> web.StreamResponse:
    """`GET /dags/<dag_id>/dag_runs/<execution_date>/tasks`."""
    operations, named = request.app[OPERATIONS], request.match_info
    run = operations.run(named["dag_id"], named["execution_date"])
    page = wire.parse_instances_query(request.query.items())
    pages, total = await operations.list_instances(run, page, shows_totals=shows_totals(request))
    return await json_list(request, pages, page_headers(request, page, total))


async def dag(request: web.Request) -> web.Response:
    """`GET /dags/<dag_id>`."""
    operations = request.app[OPERATIONS]
    details = await operations.dag_details(
        wire.check_id(request.match_info["dag_id"], "dag_id"),
        readable(request, IMPORT_ERROR_READ),
        wire.parse_next_runs(request.query.items(), operations.timezone),
        shows_errors=await missing(request, IMPORT_ERROR_READ) is None,
        shows_runs=await missing(request, RUN_READ) is None,
    )
    return json_answer(details)


async def grid(request: web.Request) -> web.Response:
    """`GET /dags/<dag_id>/grid`; the header `Link` leads to older runs, if there are any."""
    query = wire.parse_grid_query(request.query.items())
    found, has_more = await request.app[OPERATIONS].grid(request.match_info["dag_id"], query)
    if not has_more:
        return json_answer(found)
    older = f"{request.rel_url.raw_path}?limit={query.limit}&before={found.runs[-1].id}"
    return json_answer(found, headers={"Link": f'<{older}>; rel="next"'})
