"""A DAG as the API knows it."""

from typing import NamedTuple

from server.database.prepared import PreparedDag, PreparedTask
from server.errors import Conflict, NotFound
from windsock.protocol import Code

# The bytes that a DAG, a task in it, and an id take besides their texts, roughly.
_DAG, _TASK, _ID = 1024, 256, 64


class Dag(NamedTuple):
    """A DAG when `version` of its root's serialized row was read; `serialized` is None if there is no such row."""

    dag_id: str
    root_dag_id: str
    version: str | None
    serialized: PreparedDag | None
    has_bundle_version: bool = False

    @property
    def subdag_ids(self) -> list[str]:
        """The ids of the sub-DAGs below it."""
        return self.serialized.subdag_ids if self.serialized else []

    @property
    def known(self) -> PreparedDag:
        """Its serialized form; raises NotFound if the database has no serialized DAGs."""
        if self.serialized is None:
            raise NotFound(
                f"No task information for dag {self.dag_id}: this database has no serialized DAGs;"
                " switch on [core] store_serialized_dags in Airflow's configuration",
                Code.TASK_NOT_FOUND,
            )
        return self.serialized

    def task(self, task_id: str) -> PreparedTask:
        """Return a task by its id; raises NotFound, or Conflict if it cannot be read."""
        task = self.known.task(task_id)
        if task is None:
            raise NotFound(f"Task {task_id} not found in dag {self.dag_id}", Code.TASK_NOT_FOUND)
        if not task.answer:
            odd = f"Task {task_id} of dag {self.dag_id} is not serialized as Airflow does it"
            raise Conflict(odd, Code.DAG_NOT_READABLE)
        return task


def memory_of(dag: Dag) -> int:
    """Return the bytes that a DAG takes in memory, roughly."""
    known = dag.serialized
    if known is None:
        return _DAG
    texts = len(known.params) + len(known.schedule) + len(known.task_list) + len(known.deadlines) + len(known.graph)
    texts += len(known.task_details) + len(known.shown_params) + sum(_ID + len(task_id) for task_id in known.order)
    return _DAG + texts + sum(_TASK + len(task_id) + len(task) for task_id, task in known.tasks.items())
