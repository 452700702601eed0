"""The tasks of a DAG in lists: short, or in topological order with all that its graph needs."""

from graphlib import TopologicalSorter

import msgspec

from server.database.encoding import MALFORMED
from server.database.serialized import SerializedDag, Task

_DOCS = ("doc_md", "doc", "doc_rst", "doc_yaml", "doc_json")
# In characters.
_LONGEST_DOC = 2000


class TaskSummary(msgspec.Struct):
    """A task in the list of its DAG's tasks, as the description of the API has it."""

    task_id: str
    downstream_task_ids: list[str] = []
    operator: str = ""
    owner: str | None = None
    pool: str | None = None
    retries: int | None = None
    trigger_rule: str | None = None


class TaskDetails(TaskSummary):
    """The same, with the tasks that come before it; `doc` is the beginning of what it says about itself."""

    upstream_task_ids: list[str] = []
    is_mapped: bool = False
    doc: str | None = None


def topological_order(dag: SerializedDag) -> list[str]:
    """Return the ids of its tasks, each after those that it waits for; if they wait in a circle, as they are stored."""
    try:
        return list(TopologicalSorter(dag.upstream).static_order())
    except MALFORMED:
        return list(dag.tasks)


def details_of(task: Task) -> TaskDetails:
    """Return what is known of a task: of one that is not serialized as Airflow does it, its id alone."""
    try:
        known = {
            **task.summary,
            "downstream_task_ids": sorted(task.dag.downstream[task.task_id]),
            "upstream_task_ids": sorted(task.dag.upstream[task.task_id]),
            "is_mapped": task.is_mapped,
            "doc": _doc(task),
        }
        return msgspec.convert(known, TaskDetails)
    except (*MALFORMED, msgspec.ValidationError):
        return TaskDetails(task_id=task.task_id)


def _doc(task: Task) -> str | None:
    texts = (task.get(name) for name in _DOCS)
    return next((text[:_LONGEST_DOC] for text in texts if isinstance(text, str) and text), None)
