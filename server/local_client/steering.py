"""Steering of DAG runs, straight on the database."""

from collections.abc import Sequence

from server import wire
from server.database.steering import Cleared, Steered
from server.local_client.calls import LocalCalls
from server.operations import Operations
from windsock.client.requests import clear_fields
from windsock.client.results import Answer
from windsock.client.steering import Steering


class LocalSteering(Steering):
    """The methods of `Steering` on a database."""

    _calls: LocalCalls

    def set_dag_run_state(self, dag_id: str, execution_date: str, state: str) -> Answer:
        """See `Client.set_dag_run_state`."""
        return self._calls.object_of(
            lambda operations: operations.set_run_state(operations.run(dag_id, execution_date), state)
        )

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

        async def clear(operations: Operations) -> Cleared:
            return await operations.clear(operations.run(dag_id, execution_date), wire.read_clear(fields))

        return self._calls.object_of(clear)

    def set_task_instance_state(
        self, dag_id: str, execution_date: str, task_id: str, state: str, map_index: int | None = None
    ) -> Answer:
        """See `Client.set_task_instance_state`."""

        async def mark(operations: Operations) -> Steered:
            instance = operations.instance(dag_id, execution_date, task_id)
            return await operations.set_instance_state(instance, map_index, state)

        return self._calls.object_of(mark)

    def delete_dag_run(self, dag_id: str, execution_date: str) -> Answer:
        """See `Client.delete_dag_run`."""
        deleted = self._calls.call(lambda operations: operations.delete_run(operations.run(dag_id, execution_date)))
        return wire.delete_answer(deleted.count)
