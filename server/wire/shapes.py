"""The shapes and texts of answers, as scripts for Airflow 1.10 read them."""

import re
from json.encoder import encode_basestring_ascii
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from server.wire.bodies import Trigger
from windsock.protocol import created_message

_NOT_PLAIN = re.compile("[\x7f-\U0010ffff]+")
# A number, because Python takes several times as long to find a byte that is given as bytes.
_DELETE = 0x7F
_encoder = msgspec.json.Encoder(order="sorted")


def encode(value: object) -> bytes:
    """Encode an answer: compact JSON with sorted keys, in UTF-8, with a newline at the end."""
    return _encoder.encode(value) + b"\n"


def ascii_json(written: bytes) -> bytes:
    r"""Escape what is not ASCII in JSON, or in a part of it, as Airflow does (`\u017c`): some clients assume Latin-1.

    Control characters are escaped already, except DEL, which Python escapes but msgspec and Postgres do not.
    """
    if written.isascii() and _DELETE not in written:
        return written
    return _NOT_PLAIN.sub(_escaped, written.decode()).encode()


def _escaped(found: re.Match[str]) -> str:
    return encode_basestring_ascii(found[0])[1:-1]


def trigger_answer(dag_id: str, trigger: Trigger) -> dict[str, str]:
    """Return the answer to a trigger: always exactly three keys, because some callers refuse others."""
    shown_date, run_id = trigger.shown_date, trigger.run_id
    message = created_message(dag_id, shown_date, run_id)
    return {"execution_date": shown_date.replace(" ", "T"), "message": message, "run_id": run_id}


def delete_answer(count: int) -> dict[str, object]:
    """Return the answer to the deletion of a DAG with that number of rows."""
    return {"count": count, "message": f"Removed {count} record(s)"}


class TaskInstance(msgspec.Struct):
    """A task instance: each column as Python's `str` shows it.

    The statement `find_task_instances` has a column for each field.
    """

    dag_id: str = "None"
    duration: str = "None"
    end_date: str = "None"
    execution_date: str = "None"
    executor_config: str = "None"
    hostname: str = "None"
    job_id: str = "None"
    max_tries: str = "None"
    operator: str = "None"
    pid: str = "None"
    pool: str = "None"
    pool_slots: str = "None"
    priority_weight: str = "None"
    queue: str = "None"
    queued_dttm: str = "None"
    start_date: str = "None"
    state: str = "None"
    task_id: str = "None"
    test_mode: str = "False"
    unixname: str = "None"
    map_index: str | UnsetType = UNSET
    mapped_instances: str | UnsetType = UNSET
    run_id: str | UnsetType = UNSET
    try_number: str | UnsetType = UNSET
    """The last four only where a task may have several instances, and only of an instance that has a row."""


class InstanceDetails(msgspec.Struct):
    """A task instance among those of its run, with values as JSON has them; what its row does not have is None.

    `map_index` is -1 where the task is not mapped, and in Airflow 1.10. `try_number` is the column, as Airflow's REST
    API shows it: the number of the last try, and 0 before the first one; from Airflow 2.10 on a task that is scheduled
    has the number of its next try. Dates are in ISO 8601, and `duration` is in seconds. `waits_for` says in words why
    an instance of a run under way does not begin; it is empty if it does not wait, and None if that is not known.
    """

    dag_id: str
    duration: float | None
    end_date: str | None
    execution_date: str | None
    hostname: str | None
    map_index: int
    max_tries: int | None
    operator: str | None
    pid: int | None
    pool: str | None
    pool_slots: int | None
    priority_weight: int | None
    queue: str | None
    queued_dttm: str | None
    run_id: str | None
    start_date: str | None
    state: str | None
    task_id: str
    try_number: int | None
    unixname: str | None
    waits_for: list[str] | None = None


class RunDetails(msgspec.Struct):
    """All that the row of a run says, with dates in ISO 8601; None for what this release, or this row, does not have.

    `conf` is JSON; if it cannot be read safely, it is null, and `conf_error` says why. `task_states` counts the task
    instances that have a row by state, `none` for those without one; None if the caller may not read task instances.
    """

    dag_id: str
    dag_run_url: str | None
    data_interval_end: str | None
    data_interval_start: str | None
    end_date: str | None
    execution_date: str | None
    external_trigger: bool | None
    id: int
    note: str | None
    queued_at: str | None
    run_id: str | None
    run_type: str | None
    start_date: str | None
    state: str | None
    conf: msgspec.Raw
    conf_error: str | None
    task_states: dict[str, int] | None


class PlannedRun(msgspec.Struct):
    """A run that a schedule has, with dates in ISO 8601; it is made when `run_after` has come."""

    execution_date: str
    data_interval_start: str
    data_interval_end: str
    run_after: str


class DagDetails(msgspec.Struct):
    """All that the database says about a DAG, with dates in ISO 8601; None for what this release does not have.

    `run_states` counts the runs in each of the four states of runs, up to 100,000 in each; None if the caller may not
    read runs. `import_error` says why the DAG's file cannot be loaded, None if it can; a text that begins with REDACTED
    is in its place for callers who may not read it. `last_parsed_time` is, in Airflow 1.10, when its scheduler last
    looked at the DAG. The last two are there for callers who ask: runs of the schedule; and why there are none, or none
    that are known after them.
    """

    dag_id: str
    description: str | None
    fileloc: str | None
    import_error: str | None
    is_active: bool | None
    is_paused: bool | None
    is_subdag: bool
    last_parsed_time: str | None
    max_active_runs: int | None
    max_active_tasks: int | None
    next_dagrun: str | None
    next_dagrun_create_after: str | None
    next_dagrun_data_interval_end: str | None
    next_dagrun_data_interval_start: str | None
    owners: str | None
    root_dag_id: str | None
    schedule_interval: str | None
    tags: list[str]
    timetable_description: str | None
    run_states: dict[str, int] | None
    params: msgspec.Raw
    next_runs: list[PlannedRun] | UnsetType = UNSET
    next_runs_note: str | UnsetType | None = UNSET


class ShownParam(msgspec.Struct):
    """A param of a DAG: its default (null if it has none), and the JSON Schema for values."""

    name: str
    value: Any
    description: str | None
    schema: dict[str, Any]


class Versions(msgspec.Struct):
    """What serves, and on what: `airflow` names releases, and is None for a standalone database."""

    windsock: str
    database: str
    airflow: str | None
    schema: str | None


class MappedTask(msgspec.Struct):
    """A mapped task in a grid: how many of its instances are in each state, `none` for those without one.

    `state` is that of the instance that is furthest from its end.
    """

    mapped: dict[str, int]
    state: str | None


class GridRun(msgspec.Struct):
    """A run in a grid. `tasks` has the state of each task that has an instance in it, None if that has none."""

    end_date: str | None
    execution_date: str | None
    id: int
    run_id: str | None
    run_type: str | None
    start_date: str | None
    state: str | None
    tasks: dict[str, str | MappedTask | None]


class Grid(msgspec.Struct):
    """Runs of a DAG, the newest first, and the ids of their tasks in topological order."""

    runs: list[GridRun]
    tasks: list[str]


class ListedRun(msgspec.Struct):
    """A run of a listed DAG, with dates in ISO 8601."""

    end_date: str | None
    execution_date: str | None
    run_id: str | None
    start_date: str | None
    state: str | None


class ListedDag(msgspec.Struct):
    """A DAG in a list that is narrowed down, or in another order than that of the ids; the last six with details.

    `last_runs` are at most ten, the newest last. `run_states` counts up to 1,000 runs in each of the four states of
    runs. Both are None if the caller may not read runs.
    """

    dag_id: str
    is_active: bool | None
    is_paused: bool | None
    owners: str | None
    next_dagrun: str | None
    schedule_interval: str | None
    tags: list[str]
    description: str | UnsetType | None = UNSET
    has_import_error: bool | UnsetType = UNSET
    last_runs: list[ListedRun] | UnsetType | None = UNSET
    next_dagrun_create_after: str | UnsetType | None = UNSET
    run_states: dict[str, int] | UnsetType | None = UNSET
    timetable_description: str | UnsetType | None = UNSET
