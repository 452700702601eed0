"""Programs get an error of the client's own, whatever answers 200 in the place of the API."""

import asyncio
from collections.abc import Callable

import pytest

from tests.acceptance.test_cli_failures import answering, listener
from windsock import ApiError, Client, Unreachable, connect

RUN = "d", "2020-01-01"
CALLS: dict[str, Callable[[Client], object]] = {
    "test": lambda client: client.test(),
    "trigger": lambda client: client.trigger_dag("d", "r"),
    "runs": lambda client: client.get_dag_runs("d"),
    "state": lambda client: client.get_dag_run_state(*RUN),
    "latest": lambda client: client.get_latest_runs(),
    "unfinished": lambda client: client.get_unfinished_runs(),
    "run": lambda client: client.get_dag_run(*RUN),
    "instances": lambda client: client.get_task_instances(*RUN),
    "dag": lambda client: client.get_dag("d"),
    "dags": lambda client: client.get_dags(),
    "paused": lambda client: client.is_paused("d"),
    "waits for": lambda client: client.get_waits_for(*RUN, "t"),
    "log": lambda client: client.get_task_log(*RUN, "t"),
    "part of a log": lambda client: client.get_task_log_part(*RUN, "t", None, 0, 9),
    "pool": lambda client: client.get_pool("p"),
    "mark": lambda client: client.set_dag_run_state(*RUN, "failed"),
    "clear": lambda client: client.clear_dag_run(*RUN),
    "mark a task": lambda client: client.set_task_instance_state(*RUN, "t", "failed"),
    "delete a run": lambda client: client.delete_dag_run(*RUN),
}
BODIES = ("[1]", '"text"', "null", "", "{", '{"items": 5, "waits_for": 5}', '{"items": [5]}')


@pytest.mark.parametrize("name", CALLS)
async def test_answers_of_another_shape(name: str) -> None:
    """Each method that cannot use an answer says that this is not the API."""
    for body in BODIES:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        async with listener(answering(head.encode() + body.encode())) as url:
            with connect(url) as client:
                # An object may be a pool, or the answer to `test`, whatever is in it.
                if name in {"test", "pool"} and body.startswith('{"'):
                    await asyncio.to_thread(CALLS[name], client)
                    continue
                # For a part, 200 instead of 206 is an answer that says nothing.
                with pytest.raises((ApiError, Unreachable), match=r"is not this API|answered with status 200"):
                    await asyncio.to_thread(CALLS[name], client)
