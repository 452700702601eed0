"""Airflow's serialized DAGs: reads what the API must know about a DAG from `serialized_dag.data`.

The format is Airflow's own: a task has only what differs from the operator's defaults, times are in seconds, and
sub-DAGs are nested in the tasks that run them.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import msgspec

from server.database.encoding import Shown, XComReference, date_of, decode, decode_params
from server.database.weights import totals

# What Airflow 1.10.15 shows for an attribute that is not in the serialized task.
_DEFAULTS: Mapping[str, Any] = {
    "depends_on_past": False,
    "do_xcom_push": True,
    "email": None,
    "email_on_failure": True,
    "email_on_retry": True,
    "end_date": None,
    "execution_timeout": None,
    "executor_config": {},
    "inlets": [],
    "lineage_data": None,
    "max_retry_delay": None,
    "on_failure_callback": None,
    "on_retry_callback": None,
    "on_success_callback": None,
    "outlets": [],
    "owner": "airflow",
    "params": {},
    "pool": "default_pool",
    "pool_slots": 1,
    "priority_weight": 1,
    "queue": "default",
    "resources": None,
    "retries": 0,
    "retry_delay": timedelta(minutes=5),
    "retry_exponential_backoff": False,
    "run_as_user": None,
    "sla": None,
    "start_date": None,
    "subdag": None,
    "task_concurrency": None,
    "trigger_rule": "all_success",
    "wait_for_downstream": False,
    "weight_rule": "downstream",
}
_OF_AIRFLOW_3 = 3
_SECONDS = frozenset({"retry_delay", "execution_timeout", "sla", "max_retry_delay"})
_DATES = frozenset({"start_date", "end_date"})


@dataclass(frozen=True)
class Task:
    """One operator of a DAG; `fields` is its serialized form."""

    dag: "SerializedDag"
    task_id: str
    fields: Mapping[str, Any]

    @property
    def operator(self) -> str:
        """The name of the operator's class, such as BashOperator."""
        return str(self.fields.get("_task_type") or self.fields.get("task_type") or "")

    @property
    def downstream(self) -> list[str]:
        """The ids of the tasks that wait for this one, sorted."""
        return sorted(self.fields.get("_downstream_task_ids") or self.fields.get("downstream_task_ids") or ())

    @property
    def is_mapped(self) -> bool:
        """Whether the task is mapped: it has an instance for each value that it gets (Airflow 2.3 and later)."""
        return bool(self.fields.get("_is_mapped"))

    @property
    def _partial(self) -> Mapping[str, Any]:
        """What all instances of a mapped task have in common."""
        partial = self.fields.get("partial_kwargs")
        return partial if isinstance(partial, dict) else {}

    def runs_at(self, date: datetime) -> bool:
        """Whether Airflow makes an instance of the task in a run at that date, or leaves it out."""
        start, end = self.get("start_date"), self.get("end_date")
        return (start is None or start <= date) and (end is None or date <= end)

    def get(self, name: str) -> Any:  # noqa: ANN401 - whatever the attribute holds
        """Return the value of an attribute, or Airflow's default if the task does not have it."""
        return self.attributes.get(name)

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """Return every public attribute, with defaults."""
        values = dict(_DEFAULTS)
        for name in _DATES:
            if isinstance(inherited := self.dag.data.get(name), int | float):
                values[name] = date_of(inherited)
        values.update(dict.fromkeys(self.fields.get("template_fields", ())))
        for name, value in {**self.dag.task_defaults, **self._partial, **self.fields}.items():
            if name.startswith("_"):
                continue
            if value is not None and name in _SECONDS and isinstance(value, int | float):
                values[name] = timedelta(seconds=value)
            elif value is not None and name in _DATES and isinstance(value, int | float):
                values[name] = date_of(value)
            elif name in _READERS and value is not None:
                values[name] = _READERS[name](self, value)
            else:
                values[name] = decode(value)
        values["task_id"] = self.task_id
        return values

    @property
    def summary(self) -> dict[str, Any]:
        """Return what the list of a DAG's tasks has about each task."""
        return {
            "downstream_task_ids": self.downstream,
            "operator": self.operator,
            "owner": self.get("owner"),
            "pool": self.get("pool"),
            "retries": self.get("retries"),
            "task_id": self.task_id,
            "trigger_rule": self.get("trigger_rule"),
        }

    @cached_property
    def answer(self) -> bytes:
        """Return an object of its attributes, each as Python's `str()` shows it, as JSON."""
        shown = {name: str(value) for name, value in sorted(self.attributes.items())}
        return msgspec.json.encode(shown)

    @property
    def priority_weight(self) -> int:
        """Its own weight; a value that is not a number counts as Airflow's default."""
        given = {**self.dag.task_defaults, **self._partial, **self.fields}
        weight = given.get("priority_weight", _DEFAULTS["priority_weight"])
        return int(weight) if isinstance(weight, int | float) else 1

    @property
    def priority_weight_total(self) -> int:
        """The priority of a task instance: summed along the DAG as `weight_rule` says."""
        rule = self.get("weight_rule")
        if rule == "absolute":
            return self.priority_weight
        return (self.dag.weights_above if rule == "upstream" else self.dag.weights_below)[self.task_id]

    @property
    def first_row(self) -> dict[str, Any]:
        """Return those columns of its task instance that depend on the task, for an instance without a row."""
        return {
            "max_tries": self.get("retries"),
            "operator": self.operator,
            "pool": self.get("pool"),
            "pool_slots": self.get("pool_slots"),
            "priority_weight": self.priority_weight_total,
            "queue": self.get("queue"),
        }


def _subdag(_task: Task, value: object) -> object:
    return f"<DAG: {value.get('_dag_id')}>" if isinstance(value, dict) else decode(value)


def _params(_task: Task, value: object) -> object:
    return decode_params(value) if isinstance(value, dict | list) else decode(value)


def _expansion(task: Task, value: object) -> object:
    """Return what a mapped task is expanded over, as Airflow shows it."""
    if not isinstance(value, dict) or not isinstance(kind := value.get("type"), str) or kind not in _EXPANSIONS:
        return decode(value)
    over = decode(value.get("value"))
    if isinstance(over, dict):
        over = {name: _resolved(task, item) for name, item in over.items()}
    prefix = "Scheduler" if task.dag.is_of_airflow_3 else ""
    return Shown(f"{prefix}{_EXPANSIONS[kind]}(value={_resolved(task, over)!r})")


def _resolved(task: Task, value: object) -> object:
    """Show a reference to another task's result; return anything else as it is."""
    other = task.dag.tasks.get(value.task_id) if isinstance(value, XComReference) else None
    if not isinstance(value, XComReference) or other is None:
        return value
    mapped, new = other.is_mapped, task.dag.is_of_airflow_3
    kind = f"Serialized{'Mapped' if mapped else ''}Task" if new else "Mapped" if mapped else "Task"
    shown = f"<{kind}({other.operator}): {other.task_id}>"
    if new:
        return Shown(f"SchedulerPlainXComArg(operator={shown}, key={value.key!r})")
    return Shown(f"XComArg({shown})" if value.key == "return_value" else f"XComArg({shown}, {value.key!r})")


_EXPANSIONS = {"dict-of-lists": "DictOfListsExpandInput", "list-of-dicts": "ListOfDictsExpandInput"}
# These attributes have encodings of their own.
_READERS: Mapping[str, Callable[[Task, Any], object]] = {
    "subdag": _subdag,
    "params": _params,
    "expand_input": _expansion,
    "op_kwargs_expand_input": _expansion,
}


@dataclass(frozen=True)
class SerializedDag:
    """A DAG from `serialized_dag`; `version` is that of the format.

    `cron_intervals` is an argument of `timetable_reader.read`.
    """

    dag_id: str
    data: Mapping[str, Any]
    task_defaults: Mapping[str, Any] = field(default_factory=dict)
    cron_intervals: bool = True
    version: int = 1
    tasks: dict[str, Task] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Index the tasks by id; 1.10 stores them plain, later releases in an envelope."""
        for fields in self.data.get("tasks", ()):
            inner = fields.get("__var", fields)
            self.tasks[inner["task_id"]] = Task(self, inner["task_id"], inner)

    @cached_property
    def default_start_date(self) -> datetime | None:
        """Return `default_args["start_date"]`: Airflow refuses a trigger before that date."""
        value = decode(self.data.get("default_args") or {}).get("start_date")
        return value if isinstance(value, datetime) else None

    @cached_property
    def allowed_run_types(self) -> frozenset[str] | None:
        """Return the only types of runs that the DAG allows (Airflow 3.2 and later); None for any."""
        types = decode(self.data.get("allowed_run_types"))
        return None if types is None else frozenset(types)

    @property
    def is_of_airflow_3(self) -> bool:
        """Whether Airflow 3.1 or later has written it."""
        return self.version >= _OF_AIRFLOW_3

    @property
    def task_group(self) -> Mapping[str, Any]:
        """The group that contains all tasks, as it is serialized; empty if there is none."""
        group = self.data.get("task_group") or self.data.get("_task_group")
        return group if isinstance(group, dict) else {}

    def nested(self) -> "Iterator[SerializedDag]":
        """Yield the sub-DAGs that its own tasks run."""
        for task in self.tasks.values():
            nested = task.fields.get("subdag")
            if isinstance(nested, dict):
                yield SerializedDag(nested["_dag_id"], nested, cron_intervals=self.cron_intervals)

    @cached_property
    def downstream(self) -> dict[str, list[str]]:
        """The ids of each task's direct downstream tasks."""
        return {task_id: [t for t in task.downstream if t in self.tasks] for task_id, task in self.tasks.items()}

    @cached_property
    def upstream(self) -> dict[str, list[str]]:
        """The ids of each task's direct upstream tasks."""
        edges: dict[str, list[str]] = {task_id: [] for task_id in self.tasks}
        for task_id, after in self.downstream.items():
            for other in after:
                edges[other].append(task_id)
        return edges

    @cached_property
    def weights_below(self) -> dict[str, int]:
        """The weight of each task with all tasks below it."""
        return totals({task_id: task.priority_weight for task_id, task in self.tasks.items()}, self.downstream)

    @cached_property
    def weights_above(self) -> dict[str, int]:
        """The weight of each task with all tasks above it."""
        return totals({task_id: task.priority_weight for task_id, task in self.tasks.items()}, self.upstream)


def parse(dag_id: str, document: str | bytes, *, cron_intervals: bool = True) -> SerializedDag | None:
    """Read the JSON of a row of `serialized_dag`; None if it has no DAG. Raises msgspec.DecodeError and others."""
    decoded = msgspec.json.decode(document)
    if not isinstance(decoded, dict) or not isinstance(decoded.get("dag"), dict):
        return None
    defaults = decoded.get("client_defaults", {}).get("tasks", {})
    version = decoded.get("__version")
    return SerializedDag(dag_id, decoded["dag"], defaults, cron_intervals, version if isinstance(version, int) else 0)


def inflate(compressed: bytes, limit: int) -> bytes | None:
    """Decompress zlib (`[core] compress_serialized_dags` of 2.x); None above `limit` bytes. Raises zlib.error."""
    inflator = zlib.decompressobj()
    document = inflator.decompress(compressed, limit + 1)
    return document if len(document) <= limit else None
