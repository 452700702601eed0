"""Trigger rules: what the states of its upstream tasks mean for a task."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum
from typing import Final

from server.standalone.scheduler.states import FAILURES, FINISHED, State, TaskState


class Verdict(Enum):
    """The current decision of a trigger rule."""

    WAIT = "wait"
    RUN = "run"
    SKIP = "skip"
    UPSTREAM_FAILED = "upstream_failed"


@dataclass(frozen=True, slots=True)
class Above:
    """The states of the direct upstream tasks, counted."""

    total: int
    success: int
    skipped: int
    failed: int
    """Failed, or not run because an upstream task failed."""
    tried: int
    """Ran to its end, with success or not."""

    @property
    def done(self) -> bool:
        """Whether all have ended."""
        return self.success + self.skipped + self.failed == self.total


def count(states: Collection[TaskState]) -> Above:
    """Count the states of upstream tasks; those that the DAG lost (`removed`) do not count."""
    left = [state for state in states if state is not State.REMOVED]
    finished = [state for state in left if state in FINISHED]
    success = finished.count(State.SUCCESS)
    failed = sum(state in FAILURES for state in finished)
    tried = success + finished.count(State.FAILED)
    return Above(len(left), success, finished.count(State.SKIPPED), failed, tried)


def _when_done(above: Above, verdict: Verdict = Verdict.RUN) -> Verdict:
    return verdict if above.done else Verdict.WAIT


def _all_success(above: Above) -> Verdict:
    # A failure counts at once, a skip only when all have ended: the result must not depend on which one ends first.
    if above.failed:
        return Verdict.UPSTREAM_FAILED
    return _when_done(above, Verdict.SKIP if above.skipped else Verdict.RUN)


def _all_failed(above: Above) -> Verdict:
    return Verdict.SKIP if above.success or above.skipped else _when_done(above)


def _one_success(above: Above) -> Verdict:
    if above.success:
        return Verdict.RUN
    return _when_done(above, Verdict.UPSTREAM_FAILED if above.failed else Verdict.SKIP)


def _one_failed(above: Above) -> Verdict:
    return Verdict.RUN if above.failed else _when_done(above, Verdict.SKIP)


def _one_done(above: Above) -> Verdict:
    return Verdict.RUN if above.tried else _when_done(above, Verdict.SKIP)


def _none_failed(above: Above) -> Verdict:
    return Verdict.UPSTREAM_FAILED if above.failed else _when_done(above)


def _none_failed_or_skipped(above: Above) -> Verdict:
    if above.failed:
        return Verdict.UPSTREAM_FAILED
    return _when_done(above, Verdict.RUN if above.success else Verdict.SKIP)


def _none_skipped(above: Above) -> Verdict:
    return Verdict.SKIP if above.skipped else _when_done(above)


def _all_skipped(above: Above) -> Verdict:
    return Verdict.SKIP if above.success or above.failed else _when_done(above)


RULES: Final[dict[str, Callable[[Above], Verdict]]] = {
    "all_success": _all_success,
    "all_failed": _all_failed,
    "all_done": _when_done,
    "one_success": _one_success,
    "one_failed": _one_failed,
    "one_done": _one_done,
    "none_failed": _none_failed,
    "none_failed_or_skipped": _none_failed_or_skipped,
    "none_skipped": _none_skipped,
    "all_skipped": _all_skipped,
    "dummy": lambda _above: Verdict.RUN,
}


def judge(rule: str, states: Collection[TaskState]) -> Verdict:
    """Apply `rule` to the states of the upstream tasks. A task without upstream tasks runs."""
    above = count(states)
    return RULES[rule](above) if above.total else Verdict.RUN
