"""The task instances that Airflow 3.1 and later writes with a new run, one row for each task or mapped element.

A serialized DAG of these releases has everything that they need. Those of earlier releases leave out what their
Airflow's configuration says about every task.
"""

import itertools
from collections.abc import Iterator, Mapping
from datetime import datetime
from math import prod
from typing import Any

import msgspec

from server.database.encoding import OnlyAirflowError, plain_date
from server.database.serialized import Task

_RULES = frozenset({"downstream", "upstream", "absolute"})
# What counts as no value in a column.
_NOTHING: tuple[object, ...] = (None, {}, [])
_LITERALS = frozenset({"dict", "tuple", "set"})
_SMALLEST, _GREATEST = -(2**31), 2**31 - 1
MOST_ROWS = 10_000
"""A run with more task instances is left to Airflow's scheduler."""


class Instance(msgspec.Struct):
    """The content of a task's rows; `count` is None if the task is not mapped, or if nobody knows the number yet."""

    task_id: str
    count: int | None
    start_date: datetime | None
    end_date: datetime | None
    max_tries: int
    pool: str
    pool_slots: int
    queue: str
    priority_weight: int
    operator: str
    custom_operator_name: str
    executor: str | None
    task_display_name: str

    def rows(self, date: datetime) -> Iterator[dict[str, object]]:
        """Yield the rows of a run at that date; none if the task does not run then."""
        if (self.start_date and date < self.start_date) or (self.end_date and self.end_date < date):
            return
        columns = {name: getattr(self, name) for name in _COLUMNS}
        for map_index in range(self.count) if self.count else (-1,):
            yield {**columns, "map_index": map_index}


_COLUMNS = tuple(
    name for name in Instance.__struct_fields__ if name not in {"count", "start_date", "end_date"}
)  # fmt: skip


def instance_of(task: Task, groups: Mapping[str, list[Mapping[str, Any]]]) -> Instance:
    """Return the rows of a task; `groups` are the expansions of the groups around each task.

    Raises OnlyAirflowError, and others if the task is not as Airflow writes it.
    """
    if task.get("executor_config") not in _NOTHING:
        raise OnlyAirflowError("it has an executor_config")
    if task.get("weight_rule") not in _RULES:
        raise OnlyAirflowError("it has a weight rule of its own")
    partial = task.fields.get("partial_kwargs") or {}
    named = (
        fields.get(key) for fields in (task.fields, partial) for key in ("_task_display_name", "task_display_name")
    )
    described = {
        "task_id": task.task_id,
        "count": _count(task, groups.get(task.task_id, [])),
        "start_date": plain_date(task.get("start_date")),
        "end_date": plain_date(task.get("end_date")),
        "max_tries": task.get("retries"),
        "pool": task.get("pool"),
        "pool_slots": task.get("pool_slots"),
        "queue": task.get("queue"),
        "priority_weight": max(_SMALLEST, min(task.priority_weight_total, _GREATEST)),
        "operator": task.operator,
        "custom_operator_name": task.fields.get("_operator_name") or task.operator,
        "executor": task.get("executor"),
        "task_display_name": next(filter(None, named), task.task_id),
    }
    # This checks the types.
    return msgspec.convert(described, Instance)


def expansions(group: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the expansions around each task in a serialized group, the outermost first; LookupError and others."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    waiting: list[tuple[Mapping[str, Any], list[Mapping[str, Any]]]] = [(group, [])]
    while waiting:
        one, around = waiting.pop()
        if "expand_input" in one:
            around = [*around, one["expand_input"]]
        for kind, child in one["children"].values():
            if kind == "operator":
                found[child] = around
            else:
                waiting.append((child, around))
    return found


def rows_at(instances: Iterator[Instance], date: datetime) -> list[dict[str, object]]:
    """Return the rows of a run at that date. Raises OnlyAirflowError for more than 10,000."""
    rows = list(itertools.islice(itertools.chain.from_iterable(one.rows(date) for one in instances), MOST_ROWS + 1))
    if len(rows) > MOST_ROWS:
        raise OnlyAirflowError(f"it has more than {MOST_ROWS} task instances")
    return rows


def _count(task: Task, around: list[Mapping[str, Any]]) -> int | None:
    own = task.fields.get(task.fields.get("_expand_input_attr") or "expand_input") if task.is_mapped else None
    if task.is_mapped and own is None:
        raise OnlyAirflowError("it is mapped in an unknown way")
    lengths = [_length(expansion) for expansion in (*around, *([own] if own else []))]
    known = [length for length in lengths if length is not None]
    # For an empty expansion there is one row, which the scheduler removes.
    return prod(known) or None if lengths and len(known) == len(lengths) else None


def _length(expansion: Mapping[str, Any]) -> int | None:
    """Return how many elements an expansion has; None if that depends on upstream tasks."""
    value = expansion["value"]
    if expansion["type"] == "list-of-dicts":
        return _size(value)
    sizes = [_size(one) for one in _plain(value).values()]
    return prod(size for size in sizes if size is not None) if sizes and None not in sizes else None if sizes else 0


def _size(value: Any) -> int | None:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict) and value.get("__type") not in _LITERALS:
        return None
    return len(_plain(value))


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return value["__var"] if isinstance(value, dict) and "__var" in value else value
