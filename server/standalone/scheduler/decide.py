"""Decides what happens next in a run: a plain function of its DAG, the states of its tasks and the time."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from server.standalone.scheduler.graph import Graph, Node
from server.standalone.scheduler.retries import retry_delay
from server.standalone.scheduler.rules import Verdict, judge
from server.standalone.scheduler.states import FAILURES, FINISHED, State, TaskState

_WAITING = frozenset({None, State.SCHEDULED, State.UP_FOR_RETRY})
_UNDER_WAY = frozenset({State.QUEUED, State.RUNNING})
_GOOD = frozenset({State.SUCCESS, State.SKIPPED})
_LOST = _WAITING | {State.REMOVED}
# How long a run waits for tasks that have vanished from its DAG.
_PATIENCE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Instance:
    """A task of a run, as the database has it. `try_number` counts the tries that have begun."""

    state: TaskState = None
    try_number: int = 0
    end_date: datetime | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A run under way. `before` has the states of the run before it, None if there is none."""

    run_id: str
    execution_date: datetime
    start_date: datetime | None
    paused: bool = False
    before: Mapping[str, TaskState] | None = None


@dataclass(slots=True)
class Decision:
    """New states by task_id, the run's own if it is over, and when to look again without being woken."""

    moves: dict[str, State] = field(default_factory=dict)
    run_state: State | None = None
    look_again: datetime | None = None
    timed_out: bool = False

    @property
    def reason(self) -> str:
        """Why the run is over, as Airflow calls it for callbacks."""
        if self.timed_out:
            return "timed_out"
        return "success" if self.run_state is State.SUCCESS else "task_failure"

    def look_at(self, moment: datetime) -> None:
        """Look again at this moment, or earlier."""
        self.look_again = moment if self.look_again is None else min(self.look_again, moment)


def decide(graph: Graph, run: Run, instances: Mapping[str, Instance], now: datetime) -> Decision:
    """Decide everything that follows at once: a chain of tasks that do nothing is over in one call.

    `instances` may lack tasks: those for which `belongs_to` holds count as new.
    """
    decision = Decision()
    if graph.dagrun_timeout is not None and run.start_date is not None:
        over = run.start_date + graph.dagrun_timeout
        if over <= now:
            return _time_out(instances)
        decision.look_at(over)
    states: dict[str, TaskState] = {}
    for task_id, node in graph.nodes.items():
        # A run keeps the tasks that it has, although its file may now give a task other dates.
        if task_id not in instances and not node.belongs_to(run.execution_date):
            continue
        instance = instances.get(task_id, Instance())
        if instance.state is State.REMOVED:
            # Its DAG has the task again.
            instance = replace(instance, state=None)
        states[task_id] = instance.state
        move = _next(node, run, instance, states, now, decision)
        if move is not None:
            decision.moves[task_id] = states[task_id] = move
    unknown = {task_id: instance.state for task_id, instance in instances.items() if task_id not in graph.nodes}
    decision.moves |= {task_id: State.REMOVED for task_id, state in unknown.items() if state in _WAITING}
    if not any(state in _UNDER_WAY for state in unknown.values()):
        decision.run_state = _run_state(graph, states)
    if decision.run_state is not None and any(state in _LOST for state in unknown.values()):
        _wait_for_lost(graph, now, decision)
    return decision


def _wait_for_lost(graph: Graph, now: datetime, decision: Decision) -> None:
    """Keep open a run whose tasks vanished a moment ago: its file may have been read while somebody was writing it."""
    if graph.changed_at is not None and now < (until := graph.changed_at + _PATIENCE):
        decision.run_state = None
        decision.look_at(until)


def _next(
    node: Node, run: Run, instance: Instance, states: Mapping[str, TaskState], now: datetime, decision: Decision
) -> State | None:
    match instance.state:
        case State.UP_FOR_RETRY:
            moment = _retry_at(node, run, instance, now)
            if moment > now:
                decision.look_at(moment)
                return None
            return None if run.paused else State.SCHEDULED
        case None:
            return _first(node, run, states)
    return None


def _first(node: Node, run: Run, states: Mapping[str, TaskState]) -> State | None:
    # An upstream task that the run does not have (its start_date is later) is ignored.
    match judge(node.trigger_rule, [states[other] for other in node.above if other in states]):
        case Verdict.SKIP:
            return State.SKIPPED
        case Verdict.UPSTREAM_FAILED:
            return State.UPSTREAM_FAILED
        case Verdict.RUN if not run.paused and _past_allows(node, run):
            return State.SUCCESS if node.does_nothing else State.SCHEDULED
    return None


def _past_allows(node: Node, run: Run) -> bool:
    if not node.depends_on_past or run.before is None:
        return True
    wanted = (node.task_id, *node.below) if node.wait_for_downstream else (node.task_id,)
    return all(run.before.get(task_id, State.SUCCESS) in _GOOD for task_id in wanted)


def _retry_at(node: Node, run: Run, instance: Instance, now: datetime) -> datetime:
    delay = retry_delay(
        node.retry_delay,
        instance.try_number,
        exponential=node.retry_exponential_backoff,
        longest=node.max_retry_delay,
        seed=f"{node.task.dag.dag_id}#{node.task_id}#{run.execution_date.astimezone(UTC)}",
    )
    return (instance.end_date or now) + delay


def _run_state(graph: Graph, states: Mapping[str, TaskState]) -> State | None:
    if any(state not in FINISHED for state in states.values()):
        return None
    leaves = [states[task_id] for task_id in states if not any(low in states for low in graph.nodes[task_id].below)]
    return State.FAILED if any(state in FAILURES for state in leaves) else State.SUCCESS


def _time_out(instances: Mapping[str, Instance]) -> Decision:
    # As in Airflow, tasks that were not scheduled yet stay as they are.
    unfinished = (task_id for task_id, instance in instances.items() if instance.state not in {None, *FINISHED})
    return Decision(moves=dict.fromkeys(unfinished, State.SKIPPED), run_state=State.FAILED, timed_out=True)
