"""A DAG as the scheduler needs it: tasks in an order with upstream tasks first, options as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from graphlib import TopologicalSorter
from typing import Any, NamedTuple, TypeVar

from server.database.schedule import read_schedule
from server.database.serialized import SerializedDag, Task, parse
from server.standalone.dags.operators import DUMMY, OperatorType, operator_of_task
from server.standalone.scheduler.priorities import total_weights
from server.standalone.scheduler.rules import RULES

_INT32 = 2**31 - 1
T = TypeVar("T")
# With one of these even a task that does nothing has a process, as in Airflow.
_CALLED_IN_TRY = frozenset({"on_execute_callback", "on_success_callback"})


@dataclass(frozen=True)
class Node:
    """A task; `fields` are its serialized form, with the operator's own arguments."""

    task_id: str
    task: Task
    operator: OperatorType
    above: tuple[str, ...]
    below: tuple[str, ...]
    trigger_rule: str
    does_nothing: bool
    retries: int
    retry_delay: timedelta
    retry_exponential_backoff: bool
    max_retry_delay: timedelta | None
    depends_on_past: bool
    wait_for_downstream: bool
    start_date: datetime | None
    end_date: datetime | None
    pool: str
    pool_slots: int
    queue: str
    priority_weight: int
    task_concurrency: int | None
    pushes: bool
    """Whether its result is kept for other tasks."""
    callbacks: Mapping[str, Any]
    """The functions to call when a try begins or ends, by `on_failure_callback` and so on."""
    sla: timedelta | None
    """How long after the end of its data interval it should have succeeded."""

    def belongs_to(self, execution_date: datetime) -> bool:
        """Whether a run of this date has the task: not before its start_date, and not after its end_date."""
        return (self.start_date is None or self.start_date <= execution_date) and (
            self.end_date is None or execution_date <= self.end_date
        )


class LimitedNode(NamedTuple):
    """A task with a limit on how many of its instances run at a time."""

    task_id: str
    task_concurrency: int


def _node(task: Task, above: list[str], below: list[str], weight: int) -> Node:
    operator = operator_of_task(str(task.fields.get("_task_module", "")), task.operator)
    rule = str(task.get("trigger_rule"))
    if rule not in RULES:
        message = f"task {task.task_id} has an unknown trigger rule: {rule}"
        raise ValueError(message)
    callbacks = _callbacks(task.fields)
    waits_below = bool(task.get("wait_for_downstream"))
    return Node(
        task_id=task.task_id,
        task=task,
        operator=operator,
        above=tuple(above),
        below=tuple(below),
        trigger_rule=rule,
        does_nothing=operator is DUMMY and _CALLED_IN_TRY.isdisjoint(callbacks),
        retries=int(task.get("retries") or 0),
        retry_delay=_typed(timedelta, task.get("retry_delay")) or timedelta(),
        retry_exponential_backoff=bool(task.get("retry_exponential_backoff")),
        max_retry_delay=_typed(timedelta, task.get("max_retry_delay")) or None,
        depends_on_past=waits_below or bool(task.get("depends_on_past")),
        wait_for_downstream=waits_below,
        start_date=_typed(datetime, task.get("start_date")),
        end_date=_typed(datetime, task.get("end_date")),
        pool=str(task.get("pool")),
        pool_slots=int(task.get("pool_slots") or 1),
        queue=str(task.get("queue")),
        priority_weight=max(-_INT32, min(weight, _INT32)),
        task_concurrency=_whole(task.get("task_concurrency")),
        # Before 1.10 introduced do_xcom_push, the Bash and HTTP operators had an option of their own.
        pushes=bool(task.get("do_xcom_push")) and task.get("xcom_push") is not False,
        callbacks=callbacks,
        sla=_typed(timedelta, task.get("sla")) or None,
    )


def _callbacks(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    callbacks = fields.get("_callbacks")
    return callbacks if isinstance(callbacks, dict) else {}


def _typed(kind: type[T], value: object) -> T | None:
    if value is None or isinstance(value, kind):
        return value
    message = f"{value!r:.100} is no {kind.__name__}"
    raise TypeError(message)


def _whole(value: Any) -> int | None:  # noqa: ANN401 - whatever somebody wrote
    return None if value is None else int(value)


def _seconds(value: float | None) -> timedelta | None:
    return timedelta(seconds=value) if value else None


class Graph:
    """A DAG at one version of its file."""

    def __init__(self, dag: SerializedDag, changed_at: datetime | None = None) -> None:
        """Read what is needed, once for each version; `nodes` are in an order with upstream tasks first.

        `changed_at`: when this version was stored. What cannot be used is found here, not by who uses it later: raises
        one of MALFORMED.
        """
        self.changed_at = changed_at
        self.dag_id = dag.dag_id
        self.dag = dag
        order = list(TopologicalSorter(dag.upstream).static_order())
        weights = total_weights(dag, order)
        self.nodes = {
            task_id: _node(dag.tasks[task_id], dag.upstream[task_id], dag.downstream[task_id], weights[task_id])
            for task_id in order
        }
        self.dagrun_timeout = _seconds(dag.data.get("dagrun_timeout"))
        """How long a run may take; None: as long as it wants."""
        self.concurrency = _whole(dag.data.get("_concurrency"))
        """How many of its tasks may run at a time; None: not said."""
        self.max_active_runs = _whole(dag.data.get("max_active_runs"))
        """How many of its runs may be under way; None: not said."""
        self.schedule = read_schedule(dag)
        """Its schedule; None: none that is run."""
        self.callbacks = _callbacks(dag.data)
        """The functions to call when a run ends or an SLA is missed, by `on_failure_callback` and so on."""

    def catches_up(self, *, by_default: bool) -> bool:
        """Whether its schedule makes the runs that it has missed; `by_default` is for a DAG that does not say."""
        return self.schedule is not None and self.schedule.window(catchup_by_default=by_default).catchup

    @cached_property
    def looks_back(self) -> bool:
        """Whether a task depends on the run before."""
        return any(node.depends_on_past for node in self.nodes.values())

    @cached_property
    def limited(self) -> "list[LimitedNode]":
        """Its tasks that have a `task_concurrency`."""
        return [
            LimitedNode(node.task_id, node.task_concurrency)
            for node in self.nodes.values()
            if node.task_concurrency is not None
        ]

    @cached_property
    def slots(self) -> dict[str, int]:
        """The pools of its tasks, and the most slots of each that one task takes."""
        slots: dict[str, int] = {}
        for node in self.nodes.values():
            if not node.does_nothing:
                slots[node.pool] = max(node.pool_slots, slots.get(node.pool, 0))
        return slots


def read_graph(dag_id: str, document: str | bytes, changed_at: datetime | None = None) -> Graph | None:
    """Read the JSON of a row of `serialized_dag`; None where it holds no DAG.

    Raises one of MALFORMED, and msgspec.DecodeError.
    """
    dag = parse(dag_id, document)
    return Graph(dag, changed_at) if dag else None
