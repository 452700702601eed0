"""Notes about what dag-factory would read differently: the file loads, and the log says how the two differ."""

import re
from collections.abc import Iterator
from pathlib import Path

from server.standalone.dags.section import Section, unknown_key
from server.standalone.dags.spec import DAG_KEYS, DAG_OPTIONS, IDLE_DAG_KEYS, RENAMED_OPTIONS
from server.wire.document import shortened

DEFAULTS = ("defaults.yaml", "defaults.yml")
_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\})", re.ASCII)
# In these, the shell or Windsock replaces them.
_FILLED_IN = frozenset({"bash_command", "python_callable_file"})
_OBJECTS = frozenset({"datetime.datetime", "datetime.timedelta"})
_KNOWN = DAG_KEYS | DAG_OPTIONS | IDLE_DAG_KEYS | RENAMED_OPTIONS.keys()
_MOST = 20


def of_dag(dag_id: str, dag: Section) -> list[str]:
    """Yield the notes about a DAG's own keys, and about everything in it."""
    notes = [f"{unknown_key(key, DAG_OPTIONS)}; it has no effect" for key in dag.data if key not in _KNOWN]
    if (written := dag.data.get("dag_id", dag_id)) != dag_id:
        notes.append(f"`dag_id` is {shortened(str(written))!r} here, but the key {dag_id!r} is used")
    found = dict.fromkeys(_deeper(dag.data, ""))
    return [*notes, *list(found)[:_MOST]]


def of_task(task_id: str, task: Section) -> list[str]:
    """Return the notes about a task's own keys."""
    if (written := task.data.get("task_id", task_id)) == task_id:
        return []
    return [f"`task_id` is {shortened(str(written))!r} here, but the key {task_id!r} is used"]


def of_place(fileloc: Path, dags_folder: Path) -> list[str]:
    """Return the notes about files beside it and in the folders above it."""
    within = [folder for folder in fileloc.parents if folder == dags_folder or dags_folder in folder.parents]
    files = (folder / name for folder in within or [fileloc.parent] for name in DEFAULTS)
    return [
        f"{file} is not read: put its content under the key `default` of this file" for file in files if file.is_file()
    ]


def _deeper(value: object, key: str) -> Iterator[str]:
    if isinstance(value, dict):
        kind = value.get("__type__")
        text = str(kind)
        if kind is not None and text not in _OBJECTS and not text.endswith(".Param"):
            yield f"`{key}` stays a plain mapping: no object of the type {shortened(text)!r} is made from it"
        for name, inner in value.items():
            yield from _deeper(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _deeper(inner, key)
    elif isinstance(value, str) and key not in _FILLED_IN and (found := _VARIABLE.search(value)):
        yield f"`{shortened(key)}`: the environment variable in {shortened(found.group())!r} is not replaced"
