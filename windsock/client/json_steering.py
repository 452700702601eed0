"""Steering of DAG runs over HTTP.

What marks a run or a task is tried again if it fails on the way, because doing it twice is the same as doing it once;
the answer then lists what the last try has changed. What clears or deletes is not: meanwhile somebody may have
triggered the run anew, or its task may have failed again.
"""

from collections.abc import Sequence

from windsock.client import paths
from windsock.client.json_calls import JsonCalls
from windsock.client.requests import clear_fields
from windsock.client.results import Answer
from windsock.client.steering import Steering


class JsonSteering(Steering):
    """The methods of `Steering` over HTTP."""

    _calls: JsonCalls

    def set_dag_run_state(self, dag_id: str, execution_date: str, state: str) -> Answer:
        """See `Client.set_dag_run_state`."""
        return self._mark(paths.of_run(dag_id, execution_date), state)

    def clear_dag_run(
        self,
        dag_id: str,
        execution_date: str,
        *,
        only_failed: bool = True,
        task_ids: Sequence[str] | None = None,
        downstream: bool = False,
        dry_run: bool = False,
    ) -> Answer:
        """See `Client.clear_dag_run`."""
        fields = clear_fields(task_ids, only_failed=only_failed, downstream=downstream, dry_run=dry_run)
        reply = self._calls.send("POST", f"{paths.of_run(dag_id, execution_date)}/clear", fields, safe=dry_run)
        return self._calls.read.object_of(self._calls.read.known(reply), "task_instances")

    def set_task_instance_state(
        self, dag_id: str, execution_date: str, task_id: str, state: str, map_index: int | None = None
    ) -> Answer:
        """See `Client.set_task_instance_state`."""
        query = "" if map_index is None else f"?map_index={map_index}"
        return self._mark(f"{paths.of_task_instance(dag_id, execution_date, task_id)}{query}", state)

    def delete_dag_run(self, dag_id: str, execution_date: str) -> Answer:
        """See `Client.delete_dag_run`."""
        reply = self._calls.send("DELETE", paths.of_run(dag_id, execution_date))
        return self._calls.read.object_of(self._calls.read.known(reply), "count")

    def _mark(self, path: str, state: str) -> Answer:
        reply = self._calls.send("PATCH", path, {"state": state}, safe=True)
        return self._calls.read.object_of(self._calls.read.known(reply), "task_instances")
