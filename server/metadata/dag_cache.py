"""The DAGs that were read last, as many as a bound in bytes allows."""

from server.metadata.dag import Dag

_MOST = 2**28
# What an entry, and a task in it, take beside their texts: about so many bytes.
_ENTRY, _TASK = 1024, 256


class DagCache:
    """DAGs by their ids. The one that was put in first goes first, and the newest stays whatever its size."""

    def __init__(self, most: int = _MOST) -> None:
        """Keep `most` bytes, roughly counted."""
        self._most = most
        self._size = 0
        self._dags: dict[str, Dag] = {}
        self._sizes: dict[str, int] = {}
        # Of every trigger: no step between.
        self.get = self._dags.get

    def __len__(self) -> int:
        return len(self._dags)

    def put(self, dag: Dag) -> None:
        """Keep a DAG, in place of the one that had its id."""
        self.drop(dag.dag_id)
        self._dags[dag.dag_id] = dag
        self._sizes[dag.dag_id] = size = _size(dag)
        self._size += size
        while self._size > self._most and len(self._dags) > 1:
            self.drop(next(iter(self._dags)))

    def drop(self, dag_id: str) -> None:
        """Forget a DAG, if it is there."""
        if self._dags.pop(dag_id, None) is not None:
            self._size -= self._sizes.pop(dag_id)


def _size(dag: Dag) -> int:
    known = dag.serialized
    if known is None:
        return _ENTRY
    texts = len(known.params) + len(known.schedule) + len(known.task_list) + len(known.deadlines)
    return _ENTRY + texts + sum(_TASK + len(task_id) + len(task) for task_id, task in known.tasks.items())
