"""One try of one task, from its log's first line to its last."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.dags.operators import BASH, DUMMY, HTTP, OPERATORS, PYTHON, OperatorType
from server.scheduler.bash import run_bash
from server.scheduler.context import Try
from server.scheduler.errors import TaskFailed, TaskSkipped
from server.scheduler.http import run_http
from server.scheduler.logs import NoLogError, log_folder, open_log
from server.scheduler.python import run_python
from server.scheduler.renderer import Renderer
from server.scheduler.running import Running
from server.scheduler.states import State, after_failure
from server.scheduler.store import Ended
from server.scheduler.templates import may_pull, templates_of


@dataclass(frozen=True, slots=True)
class Place:
    """Where tasks run: the folders, how long an ended task may take to leave, in seconds, and who renders."""

    log_folder: Path
    dags_folder: Path
    patience: float
    renderer: Renderer


XComValues = Mapping[str, Any]


async def _bash(running: Running, fields: dict[str, Any]) -> XComValues:
    return {"return_value": await run_bash(running, fields)}


async def _http(running: Running, fields: dict[str, Any]) -> XComValues:
    return {"return_value": await run_http(running, fields)}


async def _nothing(_running: Running, _fields: dict[str, Any]) -> XComValues:
    return {}


_RUN: Mapping[str, Callable[[Running, dict[str, Any]], Awaitable[XComValues]]] = {
    BASH.name: _bash,
    # Its file made one of a task that had been scheduled.
    DUMMY.name: _nothing,
    PYTHON.name: run_python,
    HTTP.name: _http,
}
_SUPPORTED = ", ".join(sorted({operator.name for operator in OPERATORS.values() if operator.runnable}))


def wants_xcoms(attempt: Try) -> bool:
    """Whether the try may read what other tasks left, so that it must be there when it begins."""
    operator = attempt.node.operator
    return operator is PYTHON or may_pull(templates_of(attempt.node.task.fields, operator.template_fields))


async def run_try(attempt: Try, place: Place, began: Callable[[int], None]) -> Ended:
    """Run the try and say how it ended. Cancelling it ends the task's processes; it is then lost to its scheduler."""
    with ExitStack() as stack:
        try:
            folder = log_folder(place.log_folder, *_log_key(attempt))
            log = stack.enter_context(open_log(folder, attempt.try_number))
        except (OSError, NoLogError) as error:
            raise TaskFailed(f"the log cannot be written: {error}") from error
        return await _run_logged(Running(attempt, log, began, place.dags_folder, place.patience, place.renderer))


def _log_key(attempt: Try) -> tuple[str, str, Any]:
    return attempt.key.dag_id, attempt.key.task_id, attempt.key.execution_date


async def _run_logged(running: Running) -> Ended:
    attempt, log = running.attempt, running.log
    log.say(f"Try {attempt.try_number} of {attempt.max_tries + 1} of {attempt.key.task_id} in {attempt.run_id}")
    try:
        values = await _run_operator(running)
    except TaskSkipped as skip:
        log.say(f"Skipped: {skip}")
        return ended(attempt, State.SKIPPED, skip.xcoms)
    except TaskFailed as failure:
        return _failed(running, failure)
    except OSError as error:
        return _failed(running, TaskFailed(f"the machine could not do it: {error}"))
    except asyncio.CancelledError:
        log.say("Ended from outside: its scheduler stops, or its state was changed")
        raise
    log.say("Succeeded")
    return ended(attempt, State.SUCCESS, values)


def _failed(running: Running, failure: TaskFailed) -> Ended:
    attempt = running.attempt
    state = State.FAILED if failure.final else after_failure(attempt.try_number, attempt.max_tries)
    running.log.say(f"Failed: {failure}{'; it will be tried again' if state is State.UP_FOR_RETRY else ''}")
    return ended(attempt, state, failure.xcoms)


async def _run_operator(running: Running) -> XComValues:
    attempt = running.attempt
    operator = attempt.node.operator
    run = _RUN.get(operator.name) if operator.runnable else None
    if run is None:
        raise TaskFailed(_unsupported(operator), final=True)
    fields = {name: attempt.node.task.get(name) for name in attempt.node.task.fields if not name.startswith("_")}
    # Its templates do not count for its execution_timeout, as in Airflow.
    rendered = await running.renderer.render(attempt, fields, operator.template_fields)
    timeout = attempt.node.task.get("execution_timeout")
    deadline = asyncio.timeout(timeout.total_seconds() if timeout else None)
    try:
        async with deadline:
            return await run(running, rendered)
    except TimeoutError:
        if not deadline.expired():
            raise
        raise TaskFailed(f"it took longer than its execution_timeout of {timeout}") from None


def _unsupported(operator: OperatorType) -> str:
    return f"{operator.module}.{operator.name} cannot be run here; Windsock's scheduler runs {_SUPPORTED}"


def ended(attempt: Try, state: State, values: XComValues | None = None) -> Ended:
    """Say how a try ended; what it leaves for others is kept unless the task has do_xcom_push off."""
    if not attempt.node.pushes:
        values = {key: value for key, value in (values or {}).items() if key != "return_value"}
    xcoms = {key: json.dumps(value).encode() for key, value in (values or {}).items()}
    return Ended(attempt.run, attempt.key, attempt.try_number, state, xcoms)
