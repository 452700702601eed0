"""Turns `tasks`, which may be a list or a mapping, into a mapping by task_id."""

from typing import Any

from server.standalone.dags.errors import DagFileError
from server.wire.document import Document, Path, Problem


def tasks_by_id(document: Document) -> Document:
    """Turn each DAG's list of tasks into a mapping, and move the lines along. Raises DagFileError."""
    data: dict[str, Any] = {}
    moved: dict[Path, Path] = {}
    for dag_id, body in document.data.items():
        if body is not None and not isinstance(body, dict):
            raise DagFileError(Problem(document.line((dag_id,)), f"{dag_id!r} must be a mapping"))
        data[dag_id] = body or {}
        tasks = data[dag_id].get("tasks")
        if isinstance(tasks, list):
            by_id = _by_id(document, tasks, (dag_id, "tasks"))
            moved |= {(dag_id, "tasks", index): (dag_id, "tasks", task_id) for index, task_id in enumerate(by_id)}
            data[dag_id] = data[dag_id] | {"tasks": by_id}
    lines = {moved.get(path[:3], path[:3]) + path[3:]: line for path, line in document.lines.items()}
    return Document(data, lines)


def _by_id(document: Document, tasks: list[Any], path: Path) -> dict[str, Any]:
    by_id: dict[str, Any] = {}
    for index, task in enumerate(tasks):
        task_id = task.get("task_id") if isinstance(task, dict) else None
        line = document.line((*path, index, "task_id"))
        if not isinstance(task_id, str):
            raise DagFileError(Problem(line, f"DAG {path[0]!r}: each item of a list of tasks needs a `task_id`"))
        if task_id in by_id:
            raise DagFileError(Problem(line, f"DAG {path[0]!r}: two tasks are called {task_id!r}"))
        by_id[task_id] = task
    return by_id
