"""The states of runs and tasks (Airflow 1.10's), and every transition between the states of a task."""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """The values of `dag_run.state` and `task_instance.state`; the state of a task that waits for others is NULL."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    UP_FOR_RETRY = "up_for_retry"
    SKIPPED = "skipped"
    UPSTREAM_FAILED = "upstream_failed"
    REMOVED = "removed"


TaskState = State | None

_S = State

# from -> to: the cause. Nothing else ever changes a task's state; `store.move` checks it.
_FROM_NOTHING: Final[dict[State, str]] = {
    _S.SCHEDULED: "its trigger rule holds",
    _S.SUCCESS: "the same, and it does nothing (DummyOperator)",
    _S.SKIPPED: "its trigger rule cannot hold any more",
    _S.UPSTREAM_FAILED: "its trigger rule cannot hold any more, because an upstream task failed",
}
TRANSITIONS: Final[dict[TaskState, dict[State, str]]] = {
    None: {**_FROM_NOTHING, _S.REMOVED: "its DAG has no such task any more"},
    _S.SCHEDULED: {
        _S.QUEUED: "a scheduler claims it: there is room in its pool and below every limit",
        _S.SKIPPED: "the run took too long (dagrun_timeout)",
        _S.REMOVED: "as above",
    },
    _S.QUEUED: {
        _S.RUNNING: "the scheduler that claimed it starts its next try",
        _S.SCHEDULED: "that scheduler died before",
        _S.SKIPPED: "dagrun_timeout",
    },
    _S.RUNNING: {
        _S.SUCCESS: "its try succeeded",
        _S.SKIPPED: "its try skipped it, or dagrun_timeout",
        _S.UP_FOR_RETRY: "its try failed or was lost with its scheduler, and it has tries left",
        _S.FAILED: "the same, and it has none",
    },
    _S.UP_FOR_RETRY: {
        _S.SCHEDULED: "its retry_delay is over",
        _S.SKIPPED: "dagrun_timeout",
        _S.REMOVED: "as above",
    },
    _S.SUCCESS: {},
    _S.FAILED: {},
    _S.SKIPPED: {},
    _S.UPSTREAM_FAILED: {},
    # Its DAG has the task again, as if it were new.
    _S.REMOVED: _FROM_NOTHING,
}

FINISHED: Final = frozenset({_S.SUCCESS, _S.FAILED, _S.SKIPPED, _S.UPSTREAM_FAILED, _S.REMOVED})
FAILURES: Final = frozenset({State.FAILED, State.UPSTREAM_FAILED})


def after_failure(try_number: int, max_tries: int) -> State:
    """Return the state after a failed try, counted from 1; `max_tries` is the number of retries."""
    return State.UP_FOR_RETRY if try_number <= max_tries else State.FAILED


def check_transition(before: TaskState, after: State) -> None:
    """Raise ValueError for a transition that is not in the table."""
    if after not in TRANSITIONS[before]:
        message = f"no transition from {before} to {after}"
        raise ValueError(message)
