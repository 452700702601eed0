"""Notes about what dag-factory would read differently: the file loads, and the log says how the two differ."""

from collections.abc import Iterator

from server.standalone.dags.schedules import KEYS
from server.standalone.dags.section import Section, unknown_key
from server.standalone.dags.spec import DAG_CALLBACK_KEYS, DAG_KEYS, DAG_OPTIONS, IDLE_DAG_KEYS, RENAMED_OPTIONS
from server.standalone.dags.times import DATES, OBJECTS
from server.wire.document import shortened

_KNOWN = DAG_KEYS | DAG_OPTIONS | DAG_CALLBACK_KEYS | IDLE_DAG_KEYS | RENAMED_OPTIONS.keys()
_MOST = 20


def of_dag(dag_id: str, dag: Section) -> list[str]:
    """Yield the notes about a DAG's own keys, and about everything in it."""
    notes = [f"{unknown_key(key, DAG_OPTIONS)}; it has no effect" for key in dag.data if key not in _KNOWN]
    if (written := dag.data.get("dag_id", dag_id)) != dag_id:
        notes.append(f"`dag_id` is {shortened(str(written))!r} here, but the key {dag_id!r} is used")
    # What there is to say about a schedule is said where it is read.
    others = {key: value for key, value in dag.data.items() if key not in KEYS}
    found = dict.fromkeys(_deeper(others, ""))
    return [*notes, *list(found)[:_MOST]]


def of_task(task_id: str, task: Section) -> list[str]:
    """Return the notes about a task's own keys."""
    if (written := task.data.get("task_id", task_id)) == task_id:
        return []
    return [f"`task_id` is {shortened(str(written))!r} here, but the key {task_id!r} is used"]


def _deeper(value: object, key: str) -> Iterator[str]:
    if isinstance(value, dict):
        kind = value.get("__type__")
        text = str(kind)
        if kind is not None and text not in OBJECTS and not text.endswith(".Param"):
            yield f"`{key}` stays a plain mapping: no object of the type {shortened(text)!r} is made from it"
        if text in DATES and (zone := str(value.get("tz", "UTC"))) != "UTC":
            where = "the date is in the `timezone` that stands beside it, or else in UTC"
            yield f"the `tz` {shortened(zone)!r} of `{key}` has no effect, as with dag-factory: {where}"
        for name, inner in value.items():
            yield from _deeper(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _deeper(inner, key)
