"""The DAGs that were read last, as many as a bound in bytes allows."""

from server.metadata.dag import Dag

_MOST = 2**28
# The bytes that an entry, and a task in it, take besides their texts, roughly.
_ENTRY, _TASK = 1024, 256


class DagCache:
    """DAGs by their ids. The one that was put in first goes first, and the newest stays whatever its size."""

    def __init__(self, most: int = _MOST) -> None:
        """Keep `most` bytes, roughly counted."""
        self._most = most
        self._size = 0
        self._dags: dict[str, Dag] = {}
        # Every trigger looks here: there is no call in between.
        self.get = self._dags.get

    def __len__(self) -> int:
        return len(self._dags)

    def put(self, dag: Dag) -> None:
        """Keep a DAG, in place of the one that had its id."""
        self.drop(dag.dag_id)
        self._dags[dag.dag_id] = dag
        self._size += _size(dag)
        while self._size > self._most and len(self._dags) > 1:
            self.drop(next(iter(self._dags)))

    def drop(self, dag_id: str) -> None:
        """Forget a DAG, if it is there."""
        if (dag := self._dags.pop(dag_id, None)) is not None:
            self._size -= _size(dag)


def _size(dag: Dag) -> int:
    known = dag.serialized
    if known is None:
        return _ENTRY
    texts = len(known.params) + len(known.schedule) + len(known.task_list) + len(known.deadlines)
    return _ENTRY + texts + sum(_TASK + len(task_id) + len(task) for task_id, task in known.tasks.items())
