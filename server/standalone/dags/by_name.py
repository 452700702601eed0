"""Turns `tasks` and `task_groups`, which may be lists or mappings, into mappings by name."""

from typing import Any

from server.standalone.dags.errors import DagFileError
from server.standalone.dags.section import ByName
from server.wire.document import Document, Path, Problem

# What may be a list: the key of its items that names them, and what to call such an item.
_LISTS = {"tasks": ("task_id", "task"), "task_groups": ("group_name", "task group")}
NOT_DAGS = frozenset({"default", "task_groups"})
"""Keys of a file that are no DAGs; `task_groups` has no effect there, with dag-factory too."""


def by_name(document: Document) -> Document:
    """Turn each DAG's lists of tasks and groups into mappings, and move the lines along. Raises DagFileError."""
    data: dict[str, Any] = {}
    moved: dict[Path, Path] = {}
    for dag_id, body in document.data.items():
        if body is not None and not isinstance(body, dict):
            raise DagFileError(Problem(document.line((dag_id,)), f"{dag_id!r} must be a mapping"))
        data[dag_id] = body or {}
        for key in _LISTS.keys() & data[dag_id].keys():
            items = data[dag_id][key]
            if isinstance(items, list):
                named = _named(document, items, (dag_id, key))
                moved |= {(dag_id, key, index): (dag_id, key, name) for index, name in enumerate(named)}
                data[dag_id] = data[dag_id] | {key: named}
    lines = {moved.get(path[:3], path[:3]) + path[3:]: line for path, line in document.lines.items()}
    return document._replace(data=data, lines=lines)


def _named(document: Document, items: list[Any], path: Path) -> ByName:
    named = ByName()
    dag_id, key = path
    name_key, what = _LISTS[str(key)]
    for index, item in enumerate(items):
        name = item.get(name_key) if isinstance(item, dict) else None
        line = document.line((*path, index, name_key))
        if not isinstance(name, str):
            raise DagFileError(Problem(line, f"DAG {dag_id!r}: each item of a list of {what}s needs a `{name_key}`"))
        if name in named:
            raise DagFileError(Problem(line, f"DAG {dag_id!r}: two {what}s are called {name!r}"))
        named[name] = item
    return named
