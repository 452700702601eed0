"""Logs of tasks, where Windsock itself runs them."""

from aiohttp import web

from server import wire
from server.answers import SERVER
from server.resources import ANSWER_HEADERS, CONFIG, METADATA, TIMEZONE
from server.scheduler.logs import local_log


async def task_log(request: web.Request) -> web.StreamResponse:
    """`GET /dags/<dag_id>/dag_runs/<execution_date>/tasks/<task_id>/logs`, by default of the last try."""
    date = wire.parse_execution_date(request.match_info["execution_date"], request.app[TIMEZONE])
    dag_id = wire.check_id(request.match_info["dag_id"], "dag_id")
    task_id = wire.check_id(request.match_info["task_id"], "task_id")
    try_number = wire.parse_try_number(request.query.items())
    base = request.app[CONFIG].base_log_folder
    log = await local_log(request.app[METADATA], base, dag_id, date, task_id, try_number)
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "X-Content-Type-Options": "nosniff",
        "X-Try-Number": str(log.try_number),
        "Server": SERVER,
        **request.get(ANSWER_HEADERS, {}),
    }
    return web.FileResponse(log.path, headers=headers)
