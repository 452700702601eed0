"""Steering of runs: marking, clearing, deleting."""

from aiohttp import web

from server import wire
from server.api.resources import CHANGE, OPERATIONS, UNCHANGED, SteeredRun
from server.http.answers import json_answer
from server.http.body import read_body


async def set_run_state(request: web.Request) -> web.Response:
    """`PATCH /dags/<dag_id>/dag_runs/<execution_date>`: stops a run, or marks it."""
    operations, named = request.app[OPERATIONS], request.match_info
    run = operations.run(named["dag_id"], named["execution_date"])
    state = wire.parse_mark(await read_body(request))
    done = await operations.set_run_state(run, state)
    request[CHANGE] = SteeredRun({"state": state}, done.run_id, done.execution_date)
    return json_answer(done)


async def clear(request: web.Request) -> web.Response:
    """`POST /dags/<dag_id>/dag_runs/<execution_date>/clear`: repeats tasks of a run."""
    operations, named = request.app[OPERATIONS], request.match_info
    run = operations.run(named["dag_id"], named["execution_date"])
    asked = wire.parse_clear(await read_body(request))
    done = await operations.clear(run, asked)
    request[CHANGE] = SteeredRun(wire.clear_fields(asked), done.run_id, done.execution_date)
    request[UNCHANGED] = asked.dry_run
    return json_answer(done)


async def set_instance_state(request: web.Request) -> web.Response:
    """`PATCH /dags/<dag_id>/dag_runs/<execution_date>/tasks/<task_id>`; `?map_index=` chooses one of a mapped task."""
    operations, named = request.app[OPERATIONS], request.match_info
    instance = operations.instance(named["dag_id"], named["execution_date"], named["task_id"])
    map_index = wire.parse_map_index(request.query.items()) if request.query_string else None
    state = wire.parse_mark(await read_body(request))
    done = await operations.set_instance_state(instance, map_index, state)
    chosen = {} if map_index is None else {"map_index": map_index}
    request[CHANGE] = SteeredRun({"new_state": state, **chosen}, done.run_id, done.execution_date)
    return json_answer(done)


async def delete_run(request: web.Request) -> web.Response:
    """`DELETE /dags/<dag_id>/dag_runs/<execution_date>`."""
    operations, named = request.app[OPERATIONS], request.match_info
    run = operations.run(named["dag_id"], named["execution_date"])
    done = await operations.delete_run(run)
    request[CHANGE] = SteeredRun({}, done.run_id, done.execution_date)
    return json_answer(wire.delete_answer(done.count))
