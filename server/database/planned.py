"""The tasks of a DAG as its next run will have them: what their task instances are made of, and what they need."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

_WHOLE = re.compile(r"-?\d{1,10}", re.ASCII)
_SMALLEST, _GREATEST = -(2**31), 2**31 - 1
_NUMBERS = ("max_tries", "pool_slots", "priority_weight")
_TEXTS = ("operator", "pool", "queue")
_NONE = str(None)


class Needs(msgspec.Struct, array_like=True, frozen=True):
    """What a task needs before it begins; at most `concurrency` of its instances run at a time, 0 for any number."""

    pool: str = "default_pool"
    pool_slots: int = 1
    upstream: list[str] = []
    depends_on_past: bool = False
    concurrency: int = 0
    span: tuple[datetime | None, datetime | None] = (None, None)
    """The dates of the first run and of the last run that have it; None for no limit."""


class PlannedTasks(NamedTuple):
    """All tasks of a DAG; the lists are arguments of the statement `waiting_facts`."""

    needs: dict[str, Needs]
    rows: str
    """A JSON array with an object for each task, which has columns of `task_instance`, and the task's dates."""
    pools: list[str]
    upstream: list[str]
    limited: list[str]
    dependent: list[str]


def planned_tasks(tasks: Mapping[str, tuple[bytes, Needs]]) -> PlannedTasks:
    """Collect the tasks of a DAG, each with `first_row` of `PreparedTask`; if that is empty, there is only the id."""
    needs = {task_id: needs for task_id, (_, needs) in tasks.items()}
    rows = [_row(task_id, first_row, needs) for task_id, (first_row, needs) in tasks.items()]
    return PlannedTasks(
        needs=needs,
        rows=msgspec.json.encode(rows).decode(),
        pools=sorted({one.pool for one in needs.values()}),
        upstream=sorted({task_id for one in needs.values() for task_id in one.upstream}),
        limited=[task_id for task_id, one in needs.items() if one.concurrency],
        dependent=[task_id for task_id, one in needs.items() if one.depends_on_past],
    )


def _row(task_id: str, first_row: bytes, needs: Needs) -> dict[str, Any]:
    known: dict[str, str] = msgspec.json.decode(first_row) if first_row else {}
    first, last = needs.span
    return {
        "task_id": task_id,
        **{name: _number(known.get(name, _NONE)) for name in _NUMBERS},
        **{name: None if (text := known.get(name, _NONE)) == _NONE else text for name in _TEXTS},
        "first_date": first,
        "last_date": last,
    }


def _number(text: str) -> int | None:
    return int(text) if _WHOLE.fullmatch(text) and _SMALLEST <= int(text) <= _GREATEST else None
