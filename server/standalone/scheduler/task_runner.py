"""Runs one try of one task, from its log's first line to its last.

`local_executor` calls `run_try`; this module opens the log, has the templates rendered, calls the operator's function
(`run_bash`, `run_python`, `run_http`), and makes of its result or its exception how the try ended.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from typing import Any

import structlog

from server.standalone.dags.operators import BASH, DUMMY, HTTP, OPERATORS, PYTHON, OperatorType
from server.standalone.scheduler.callbacks import call_at_begin, call_at_end
from server.standalone.scheduler.context import Try
from server.standalone.scheduler.results import ResultError, encode
from server.standalone.scheduler.run_bash import run_bash
from server.standalone.scheduler.run_command import Place, Running
from server.standalone.scheduler.run_http import run_http
from server.standalone.scheduler.run_python import run_python
from server.standalone.scheduler.states import State, after_failure
from server.standalone.scheduler.store import Ended
from server.standalone.scheduler.task_outcomes import TaskFailed, TaskSkipped
from server.standalone.scheduler.templates import may_pull, templates_of
from server.task_logs.writing import NoLogError, log_folder, open_log

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


XComValues = Mapping[str, Any]


async def _bash(running: Running, fields: dict[str, Any]) -> XComValues:
    return {"return_value": await run_bash(running, fields)}


async def _http(running: Running, fields: dict[str, Any]) -> XComValues:
    return {"return_value": await run_http(running, fields)}


async def _nothing(_running: Running, _fields: dict[str, Any]) -> XComValues:
    return {}


_RUN: Mapping[str, Callable[[Running, dict[str, Any]], Awaitable[XComValues]]] = {
    BASH.name: _bash,
    # A task can become a DummyOperator after it was scheduled, if its file changes.
    DUMMY.name: _nothing,
    PYTHON.name: run_python,
    HTTP.name: _http,
}
_SUPPORTED = ", ".join(sorted({operator.name for operator in OPERATORS.values() if operator.runnable}))


def wants_xcoms(attempt: Try) -> bool:
    """Whether the try may read the results of other tasks, so that they must be there when it begins."""
    operator = attempt.node.operator
    if attempt.node.callbacks:
        return True
    return operator is PYTHON or may_pull(templates_of(attempt.node.task.fields, operator.template_fields))


async def run_try(attempt: Try, place: Place, began: Callable[[int], None]) -> Ended:
    """Run the try and return how it ended. Cancelling it ends the task's processes; the try is then lost."""
    with ExitStack() as stack:
        try:
            folder = log_folder(place.log_folder, *_log_key(attempt))
            log = stack.enter_context(open_log(folder, attempt.try_number))
        except (OSError, NoLogError) as error:
            raise TaskFailed(f"the log cannot be written: {error}") from error
        return await _run_logged(Running(attempt, log, began, place))


def _log_key(attempt: Try) -> tuple[str, str, Any]:
    return attempt.key.dag_id, attempt.key.task_id, attempt.key.execution_date


async def _run_logged(running: Running) -> Ended:
    attempt, log = running.attempt, running.log
    log.say(f"Try {attempt.try_number} of {attempt.max_tries + 1} of {attempt.key.task_id} in {attempt.run_id}")
    failure: TaskFailed | None = None
    try:
        await call_at_begin(running)
        result, words = await _result(running)
    except TaskFailed as error:
        failure = error
    except ResultError as error:
        failure = TaskFailed(f"its result cannot be kept for other tasks: {error}")
    except OSError as error:
        failure = TaskFailed(f"the machine could not do it: {error}")
    except asyncio.CancelledError:
        log.say("Ended from outside: its scheduler is stopping, or somebody changed its state")
        raise
    except Exception as error:  # noqa: BLE001 - see below
        # If the fault is ours, only this try fails, and whoever reads its log should know.
        _log.exception("a task failed", dag_id=attempt.key.dag_id, task_id=attempt.key.task_id)
        failure = TaskFailed(f"the scheduler could not do it: {type(error).__name__}: {error}")
    if failure:
        result, words = _failed(attempt, failure)
    log.say(words)
    await call_at_end(running, result, str(failure) if failure else None)
    return result


async def _result(running: Running) -> tuple[Ended, str]:
    """Return how the try ended unless it failed, and what its log says about that."""
    try:
        values = await _run_operator(running)
    except TaskSkipped as skip:
        return ended(running.attempt, State.SKIPPED, skip.xcoms), f"Skipped: {skip}"
    return ended(running.attempt, State.SUCCESS, values), "Succeeded"


def _failed(attempt: Try, failure: TaskFailed) -> tuple[Ended, str]:
    state = State.FAILED if failure.final else after_failure(attempt.try_number, attempt.max_tries)
    words = f"Failed: {failure}{'; it will be tried again' if state is State.UP_FOR_RETRY else ''}"
    try:
        return ended(attempt, state, failure.xcoms), words
    except ResultError as error:
        return ended(attempt, state), f"{words}\nIts result cannot be kept for other tasks: {error}"


async def _run_operator(running: Running) -> XComValues:
    attempt = running.attempt
    operator = attempt.node.operator
    if attempt.conf_problem:
        # Whatever it did without would be something else than was asked for.
        raise TaskFailed(f"the conf of its run cannot be read: {attempt.conf_problem}")
    run = _RUN.get(operator.name) if operator.runnable else None
    if run is None:
        raise TaskFailed(_unsupported(operator), final=True)
    fields = {name: attempt.node.task.get(name) for name in attempt.node.task.fields if not name.startswith("_")}
    # As in Airflow, rendering its templates does not count towards its execution_timeout.
    rendered = await running.place.renderer.render(attempt, fields, operator.template_fields)
    await running.place.lease.held()
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
    """Return how a try ended; its results are kept unless the task has do_xcom_push off.

    Raises ResultError for results that cannot be kept.
    """
    if not attempt.node.pushes:
        values = {key: value for key, value in (values or {}).items() if key != "return_value"}
    failed = after_failure(attempt.try_number, attempt.max_tries)
    return Ended(attempt.run, attempt.key, attempt.try_number, state, encode(values or {}), failed)
