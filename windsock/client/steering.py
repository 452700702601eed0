"""What both clients offer to steer DAG runs. The command line starts with it, so it imports little."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from windsock.client.results import Answer


class Steering(ABC):
    """The part of the API that steers runs; see `windsock.client.interface.Client`.

    The answers have `dag_id`, `execution_date`, `run_id`, the `state` of the run now, and `task_instances`: those that
    have changed, each with `task_id`, `map_index` (-1 unless the task is mapped) and the `state` that it had before.
    """

    @abstractmethod
    def set_dag_run_state(self, dag_id: str, execution_date: str, state: str) -> Answer:
        """Stop a run (`failed`), or mark it as a `success`; its tasks that are under way are ended.

        `execution_date` is its date, or `run_id=` and its run_id; here and below.
        """

    @abstractmethod
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
        """Repeat tasks of a run: of `task_ids` (None: of all tasks), and with `downstream` of those after them.

        With `dry_run` nothing changes, and the answer says which task instances would be cleared.
        """

    @abstractmethod
    def set_task_instance_state(
        self, dag_id: str, execution_date: str, task_id: str, state: str, map_index: int | None = None
    ) -> Answer:
        """Mark a task of a run as `failed` or `success`: all its instances, or the one with this `map_index`."""

    @abstractmethod
    def delete_dag_run(self, dag_id: str, execution_date: str) -> Answer:
        """Delete every row of a run; return `count` and `message`."""
