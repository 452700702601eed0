"""What the API must know about a DAG, read from its serialized row once and for all.

Everything in the row is checked here, in a decoder process if the row is large. The result has known types, and using
it takes little time. A task that cannot be read fails alone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

import msgspec

from server import wire
from server.database import instances, params, timetable_reader
from server.database.encoding import MALFORMED, OnlyAirflowError, plain_date
from server.database.instances import Instance
from server.database.params import NOTHING_SHOWN, Param
from server.database.planned import Needs, PlannedTasks, planned_tasks
from server.database.schedule import Bounds, read_bounds
from server.database.serialized import SerializedDag, Task
from server.database.task_details import TaskSummary, details_of, topological_order
from server.database.timetables import Interval, Moments, Timetable, interval_of
from server.wire.shapes import ascii_json

T = TypeVar("T")
_SCHEDULE = ("timetable", "schedule_interval", "timezone")
# Trigger rules of tasks that do not wait for upstream tasks.
_MOST = 2**31 - 1
_NO_RULES = frozenset({"dummy", "always"})
# Encoded params and schedules up to this size are read in this process.
_SMALL = 2**14


class Graph(msgspec.Struct):
    """How the tasks of a DAG depend on each other."""

    downstream: dict[str, list[str]]
    setups: list[str]
    teardowns: list[str]
    """Tasks that prepare others and clean up after them (Airflow 2.7 and later)."""

    def below(self, task_ids: Iterable[str]) -> set[str]:
        """Return these tasks and all that are downstream of them."""
        found: set[str] = set()
        waiting = list(task_ids)
        while waiting:
            if (task_id := waiting.pop()) not in found:
                found.add(task_id)
                waiting += self.downstream.get(task_id, ())
        return found


class PreparedTask(msgspec.Struct, array_like=True, frozen=True):
    """A task, as JSON; the parts that cannot be read are empty."""

    answer: bytes
    """The body of `GET /dags/<dag_id>/tasks/<task_id>`."""
    first_row: bytes
    """An object: the columns of a task instance that has no row yet, as texts."""
    needs: Needs
    instance: bytes
    """An `Instance`, as MessagePack."""


class PreparedDag(msgspec.Struct, array_like=True, dict=True):
    """A DAG; `params` and `schedule` are JSON as Airflow wrote it."""

    dag_id: str
    subdag_ids: list[str]
    default_start_date: datetime | None
    allowed_run_types: list[str] | None
    spans: list[tuple[datetime | None, datetime | None]]
    """The start_date and end_date of its tasks, each pair only once."""
    params: bytes
    schedule: bytes
    cron_intervals: bool
    task_list: bytes
    """A list of objects, as JSON."""
    deadlines: bytes
    """JSON as Airflow 3.1 and later writes it."""
    follows_bundle: bool
    """Whether its tasks use the newest version of its bundle, even within a run."""
    only_airflow: str
    """Why Windsock cannot make the task instances of its runs; empty if it can."""
    tasks: dict[str, msgspec.Raw]
    """Each is a `PreparedTask` still to be decoded: to decode thousands at once would take time."""
    graph: bytes = b""
    """A `Graph`, as MessagePack; empty if it cannot be read."""
    max_active_runs: int | None = None
    max_active_tasks: int | None = None
    """The limits of this DAG; None if it has none of its own."""
    order: list[str] = []
    """The ids of its tasks in topological order."""
    task_details: bytes = b"[]"
    """A list of `TaskDetails` in that order, as JSON."""
    shown_params: bytes = NOTHING_SHOWN
    """A list of `ShownParam` as JSON; null if there are none, or if they cannot be read."""
    bounds: Bounds = Bounds()
    """The dates of the runs of its schedule."""

    def task(self, task_id: str) -> PreparedTask | None:
        """Return a task by its id, None if there is none."""
        encoded = self.tasks.get(task_id)
        return None if encoded is None else msgspec.msgpack.decode(encoded, type=PreparedTask)

    @cached_property
    def longest_task_id(self) -> str:
        """The longest id of its tasks, in bytes; empty if there are no tasks."""
        return max(self.tasks, key=lambda task_id: len(task_id.encode(errors="replace")), default="")

    @cached_property
    def has_deadlines(self) -> bool:
        """Whether a run of the DAG has rows in `deadline`, or may have."""
        return self.deadlines not in {b"null", b"[]"}

    def instances(self) -> Iterator[Instance]:
        """Return the content of the task instances of its runs, one for each task; not valid with `only_airflow`."""
        for task_id in self.tasks:
            if (task := self.task(task_id)) is not None:
                yield msgspec.msgpack.decode(task.instance, type=Instance)

    @cached_property
    def planned(self) -> PlannedTasks:
        """What its next run will have."""
        tasks = {task_id: task for task_id in self.tasks if (task := self.task(task_id)) is not None}
        return planned_tasks({task_id: (task.first_row, task.needs) for task_id, task in tasks.items()})

    def runs_at(self, date: datetime) -> bool:
        """Whether a run at that date has a task to run, or the DAG has no tasks at all."""
        return not self.tasks or any(
            (start is None or start <= date) and (end is None or date <= end) for start, end in self.spans
        )

    @cached_property
    def cheap_params(self) -> tuple[Param, ...] | None:
        """Return its params, None if they must be checked in a decoder process."""
        if len(self.params) > _SMALL:
            return None
        try:
            read = params.read(msgspec.json.decode(self.params))
            return read if all(param.is_cheap for param in read) else None
        except MALFORMED:
            return None

    @cached_property
    def is_schedule_cheap(self) -> bool:
        """Whether `interval` takes a negligible time."""
        if len(self.schedule) > _SMALL:
            return False
        return _unless_malformed(lambda: timetable_reader.is_cheap(msgspec.json.decode(self.schedule)), otherwise=False)

    @cached_property
    def _timetable(self) -> Timetable:
        return timetable_reader.read(msgspec.json.decode(self.schedule), cron_intervals=self.cron_intervals)

    @cached_property
    def has_schedule(self) -> bool:
        """Whether runs are made by a schedule that can be read."""
        return _unless_malformed(lambda: type(self._timetable) is not Moments, otherwise=False)

    def interval(self, date: datetime, *, by_schedule: bool = False) -> Interval:
        """Return the data interval of a run at that date, triggered or `by_schedule`; raises one of MALFORMED."""
        return interval_of(self._timetable, date, by_schedule=by_schedule)


def prepare(dag: SerializedDag) -> list[PreparedDag]:
    """Read a DAG and its sub-DAGs; raises one of MALFORMED."""
    found: list[PreparedDag] = []
    rows, only_airflow = _instances(dag)
    order = topological_order(dag)
    own = PreparedDag(
        dag_id=_text(dag.dag_id),
        subdag_ids=[],
        default_start_date=plain_date(dag.default_start_date),
        allowed_run_types=None if (types := dag.allowed_run_types) is None else sorted(types),
        spans=list(dict.fromkeys(_span(task) for task in dag.tasks.values())),
        params=msgspec.json.encode(dag.data.get("params")),
        schedule=msgspec.json.encode({name: dag.data[name] for name in _SCHEDULE if name in dag.data}),
        cron_intervals=dag.cron_intervals,
        task_list=_ascii([msgspec.Raw(_summary(task)) for task in dag.tasks.values()]),
        deadlines=msgspec.json.encode(dag.data.get("deadline")),
        follows_bundle=bool(dag.data.get("disable_bundle_versioning")),
        only_airflow=only_airflow,
        tasks={_text(task_id): _prepare_task(task, rows.get(task_id, b"")) for task_id, task in dag.tasks.items()},
        graph=_unless_malformed(lambda: msgspec.msgpack.encode(_graph(dag)), b""),
        max_active_runs=_limit(dag, "max_active_runs"),
        max_active_tasks=_limit(dag, "_concurrency"),
        order=order,
        shown_params=_unless_malformed(lambda: params.shown(dag.data.get("params")), NOTHING_SHOWN),
        task_details=_ascii([details_of(dag.tasks[task_id]) for task_id in order]),
        bounds=_unless_malformed(lambda: read_bounds(dag), Bounds()),
    )
    found.append(own)
    for nested in dag.nested():
        found += prepare(nested)
    own.subdag_ids = [member.dag_id for member in found[1:]]
    return found


def _graph(dag: SerializedDag) -> Graph:
    def marked(name: str) -> list[str]:
        return [_text(task_id) for task_id, task in dag.tasks.items() if task.get(name)]

    return Graph(dag.downstream, marked("is_setup"), marked("is_teardown"))


def _limit(dag: SerializedDag, name: str) -> int | None:
    value = dag.data.get(name)
    return value if isinstance(value, int) and 0 < value <= _MOST else None


def _ascii(value: object) -> bytes:
    """Encode what may be long as it is sent: here, not for each caller."""
    return ascii_json(msgspec.json.encode(value))


def _prepare_task(task: Task, instance: bytes) -> msgspec.Raw:
    prepared = PreparedTask(
        answer=_unless_malformed(lambda: ascii_json(task.answer), b""),
        first_row=_unless_malformed(
            lambda: msgspec.json.encode({name: str(value) for name, value in task.first_row.items()}), b""
        ),
        needs=_unless_malformed(lambda: _needs(task), Needs()),
        instance=instance,
    )
    return msgspec.Raw(msgspec.msgpack.encode(prepared))


def _bounded(value: Any) -> int:  # noqa: ANN401 - whatever somebody wrote
    return max(0, min(int(value), _MOST))


def _needs(task: Task) -> Needs:
    rule = task.get("trigger_rule")
    # Airflow 2 gave the option another name.
    concurrency = task.get("task_concurrency") or task.get("max_active_tis_per_dag")
    return Needs(
        pool=_text(task.get("pool")),
        pool_slots=_bounded(task.get("pool_slots") or 1),
        upstream=[] if rule in _NO_RULES else task.dag.upstream[task.task_id],
        depends_on_past=bool(task.get("depends_on_past") or task.get("wait_for_downstream")),
        concurrency=_bounded(concurrency or 0),
        span=_span(task),
    )


def _instances(dag: SerializedDag) -> tuple[Mapping[str, bytes], str]:
    """Return the content of each task's rows, as MessagePack; or why only Airflow knows it."""
    if not dag.is_of_airflow_3:
        return {}, "this release keeps defaults of tasks in its configuration"
    task_id = None
    try:
        groups = instances.expansions(dag.task_group)
        rows = {}
        for task_id, task in dag.tasks.items():
            rows[task_id] = msgspec.msgpack.encode(instances.instance_of(task, groups))
    except OnlyAirflowError as error:
        return {}, f"of task {task_id}: {error}"
    except (*MALFORMED, msgspec.MsgspecError):
        return {}, "the DAG is not serialized as Airflow does it"
    return rows, ""


def _summary(task: Task) -> bytes:
    unknown = TaskSummary(task_id=task.task_id)
    return wire.encode(_unless_malformed(lambda: msgspec.convert(task.summary, TaskSummary), unknown)).rstrip()


def _unless_malformed(read: Callable[[], T], otherwise: T) -> T:
    try:
        return read()
    except MALFORMED:
        return otherwise


def _span(task: Task) -> tuple[datetime | None, datetime | None]:
    try:
        return plain_date(task.get("start_date")), plain_date(task.get("end_date"))
    except MALFORMED:
        return None, None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"an id that is not text: {value!r:.100}")
    return value
