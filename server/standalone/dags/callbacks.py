"""Callbacks in DAG files: functions that are called when a try of a task begins or ends, or a run ends.

A file names them as with dag-factory: by a dotted path, by a mapping with the path under `callback` and arguments
beside it, or by `<callback>_file` and `<callback>_name`. Nothing is imported here.
"""

import os
from collections.abc import Container, Iterable, Sequence
from pathlib import Path
from typing import Any

from server.standalone.dags.section import Section
from server.standalone.dags.spec import CALLBACKS, TaskPlan
from server.wire.document import shortened

_WANTED = "the dotted path of a function, or a mapping with `callback` and the function's arguments"


def with_callbacks(section: Section, folder: Path, names: Iterable[str] = CALLBACKS) -> Section:
    """Bring each callback into one form: its `name` or dotted path, its `file` if it is in one, and its `kwargs`.

    Raises DagFileError. A file's path may be relative to `folder`.
    """
    data = dict(section.data)
    for key in names:
        file, name = data.pop(f"{key}_file", None), data.pop(f"{key}_name", None)
        # As with dag-factory, these two win.
        if file is not None or name is not None:
            data[key] = _of_file(section, key, file, name, folder)
        elif key in data:
            data[key] = _of_path(section, key, data[key])
    return Section(section.document, data, section.places)


def notes_on_slas(callbacks: Container[str], tasks: Sequence[TaskPlan], *, is_scheduled: bool) -> list[str]:
    """Return the note about an `sla` that nobody is told of, or about a callback that is told of none."""
    has_sla = any(task.options.sla for task in tasks)
    if "sla_miss_callback" not in callbacks:
        return ["`sla` has no effect: only an `sla_miss_callback` of the DAG is told who misses it"] if has_sla else []
    if not has_sla:
        return ["`sla_miss_callback` is never called: no task has an `sla`"]
    if not is_scheduled:
        return ["`sla_miss_callback` is never called: only the runs of a schedule are judged"]
    return []


def _of_file(section: Section, key: str, file: object, name: object, folder: Path) -> dict[str, Any]:
    if not isinstance(file, str) or not isinstance(name, str) or not file or not name.isidentifier():
        given = f"{key}_file" if name is None else f"{key}_name"
        section.fail(given, f"give both `{key}_file`, a Python file, and `{key}_name`, a function in it")
    return {"file": os.path.normpath(folder / file), "name": name, "kwargs": {}}


def _of_path(section: Section, key: str, value: object) -> dict[str, Any]:
    kwargs = dict(value) if isinstance(value, dict) else {"callback": value}
    path = kwargs.pop("callback", None)
    if not isinstance(path, str) or "." not in path or not all(part.isidentifier() for part in path.split(".")):
        section.fail(key, f"`{key}` must be {_WANTED}, not {shortened(repr(value))}")
    return {"file": None, "name": path, "kwargs": kwargs}
