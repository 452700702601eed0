"""DAG runs: triggering, lists, state."""

from datetime import UTC, datetime

from aiohttp import web

from server import wire
from server.api.handlers.paging import page_headers, wants_details
from server.api.needs import INSTANCE_READ, RUN_READ, missing, missing_of, readable
from server.api.resources import AFTER_LOG, CHANGE, OPERATIONS
from server.auth.permissions import Permission
from server.errors import PermissionMissing, WindsockError
from server.http.answers import json_answer, json_list
from server.http.body import read_body
from server.http.keys import USER
from server.operations import Operations, RunKey
from server.wire.warning_header import warn
from windsock.protocol import STATE_HEADER


async def trigger(request: web.Request) -> web.Response:
    """`POST /dags/<dag_id>/dag_runs`; with `?wait=` it answers when the run has ended, and a header has its state."""
    operations, dag_id = request.app[OPERATIONS], wire.check_id(request.match_info["dag_id"], "dag_id")
    wait = _wait(request)
    if wait and (lacked := await missing(request, RUN_READ)) is not None:
        raise PermissionMissing(lacked)
    asked = wire.parse_trigger(await read_body(request), operations.timezone, datetime.now(UTC))
    request[CHANGE] = made = await operations.trigger(dag_id, asked, request[USER])
    if wait:
        run = RunKey(dag_id, wire.RunId(made.run_id))
        request[AFTER_LOG] = lambda: _state_header(operations, run, wait)
    return json_answer(wire.trigger_answer(dag_id, made))


async def list_runs(request: web.Request) -> web.StreamResponse:
    """`GET /dags/<dag_id>/dag_runs`."""
    operations, dag_id = request.app[OPERATIONS], wire.check_id(request.match_info["dag_id"], "dag_id")
    query = wire.parse_dag_runs_query(request.query.items(), operations.timezone)
    pages, total = await operations.list_runs(dag_id, query)
    return await json_list(request, pages, page_headers(request, query.page, total))


async def state(request: web.Request) -> web.Response:
    """`GET /dags/<dag_id>/dag_runs/<execution_date>`; with `?wait=` it answers when the run has ended.

    With `?details=true` the answer says all about the run.
    """
    operations, named = request.app[OPERATIONS], request.match_info
    run = operations.run(named["dag_id"], named["execution_date"])
    wait, details = _wait(request), wants_details(request)
    if not details:
        return json_answer({"state": await operations.run_state(run, wait)})
    shows_tasks = await missing(request, INSTANCE_READ) is None
    return json_answer(await operations.run_details(run, wait, shows_tasks=shows_tasks))


async def states(request: web.Request) -> web.Response:
    """`POST /dag_runs/states`; with `?wait=` it answers when all of these runs have ended."""
    operations, wait = request.app[OPERATIONS], _wait(request)
    runs = wire.parse_named_runs(await read_body(request), operations.timezone)
    lacked = await missing_of(request, RUN_READ, {run.key[0] for run in runs if run.key is not None})
    admitted = [run if run.key is None else _if_admitted(run, lacked[run.key[0]]) for run in runs]
    return json_answer(wire.named_states(runs, await operations.states_of_runs(admitted, wait)))


async def latest_runs(request: web.Request) -> web.Response:
    """`GET /latest_runs`."""
    operations, may_read = request.app[OPERATIONS], readable(request, RUN_READ)
    return json_answer(await operations.latest_runs(may_read, details=wants_details(request)))


async def unfinished_runs(request: web.Request) -> web.Response:
    """`GET /unfinished_runs`."""
    return json_answer(await request.app[OPERATIONS].unfinished_runs(readable(request, RUN_READ)))


def _if_admitted(run: wire.NamedRun, lacked: Permission | None) -> wire.NamedRun:
    """Return the run, or an entry of which nothing is looked at."""
    return run if lacked is None else wire.NamedRun(run.written, error=PermissionMissing(lacked))


def _wait(request: web.Request) -> float:
    return wire.parse_wait(request.query.items()) if request.query_string else 0


async def _state_header(operations: Operations, run: RunKey, wait: float) -> dict[str, str]:
    """Return the header with the state of a run that was just made; what fails now does not unmake it."""
    try:
        return {STATE_HEADER: str(await operations.run_state(run, wait))}
    except WindsockError as error:
        warn(f"The run was made, and its state is not known: {error.without_restricted().message}")
        return {}
