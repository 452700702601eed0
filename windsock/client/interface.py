"""What both clients offer. The command line starts with this module, so it imports little."""

from abc import abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from windsock.client.results import Answer, ApiError
from windsock.client.runs import Runs
from windsock.client.steering import Steering


class Client(Runs, Steering):
    """The experimental API, method by method.

    The answers are those that the API documents, as Python objects. Dates are texts, as the API reads and writes them.
    Every method raises ApiError or Unreachable. Use a client in one thread at a time; `close` it, or use `with`.
    """

    error = ApiError

    @abstractmethod
    def test(self) -> Answer:
        """Return `{"status": "OK"}` if the API can be used."""

    @abstractmethod
    def whoami(self) -> Answer:
        """Return who the caller is and may do: `user`, `backend`, `roles`, and `permissions` with their `dags`.

        `backend` is None if the client works straight on the database: there are no users then.
        """

    @abstractmethod
    def get_version(self) -> Answer:
        """Return the versions: `windsock`, `database`, `airflow` (None for a standalone database), `schema`."""

    @abstractmethod
    def get_dags(
        self,
        *,
        search: str | None = None,
        tag: str | Sequence[str] | None = None,
        owner: str | Sequence[str] | None = None,
        state: str | Sequence[str] | None = None,
        paused: bool | None = None,
        active: bool | None = None,
        order_by: str | None = None,
        details: bool = False,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[Answer]:
        """List the DAGs: `dag_id`, `is_paused`, `is_active`, `owners`, `schedule_interval`, `next_dagrun`, `tags`.

        `search` is a part of the id or of the description; of several tags, owners or states (of the newest run), any
        one counts. `order_by` is `dag_id`, `next_dagrun` or `last_run`, or one of these with a `-` before it. `details`
        adds `last_runs`, `run_states`, `description` and more; then there are at most 100 DAGs, or `limit`.
        """

    @abstractmethod
    def get_dag_tags(self) -> list[str]:
        """List the tags of the active DAGs."""

    @abstractmethod
    def get_dag(
        self,
        dag_id: str,
        *,
        next_runs: int | None = None,
        execution_date_gte: str | None = None,
        execution_date_lte: str | None = None,
    ) -> Answer:
        """Return all about a DAG, such as `schedule_interval`, `next_dagrun`, `import_error` and `run_states`.

        With a number of `next_runs` (at most 1,000) it also has the runs of its schedule in `next_runs`, each with its
        `execution_date`, `data_interval_start`, `data_interval_end` and `run_after`: the next ones, or with dates those
        between them. If there are none, `next_runs_note` says why. With an older server the ApiError has the code
        `endpoint_not_found`.
        """

    @abstractmethod
    def get_import_errors(self) -> list[Answer]:
        """List the DAG files that could not be loaded: `filename`, `stacktrace`, `timestamp`, `bundle_name`, `id`."""

    @abstractmethod
    def delete_dag(self, dag_id: str) -> Answer:
        """Delete every row of the DAG; return `count` and `message`."""

    @abstractmethod
    def is_paused(self, dag_id: str) -> bool | None:
        """Whether the DAG is paused; None if its row does not say."""

    @abstractmethod
    def set_paused(self, dag_id: str, *, is_paused: bool) -> None:
        """Pause or unpause the DAG and its sub-DAGs."""

    @abstractmethod
    def get_code(self, dag_id: str) -> str:
        """Return the source of the DAG's file."""

    @abstractmethod
    def get_tasks(self, dag_id: str, *, details: bool = False) -> list[Answer]:
        """List the DAG's tasks: `task_id`, `operator`, `downstream_task_ids` and more.

        `details` puts them into topological order, and adds `upstream_task_ids`, `is_mapped` and `doc`.
        """

    @abstractmethod
    def get_task(self, dag_id: str, task_id: str) -> Answer:
        """Return the task's attributes, each as text."""

    @abstractmethod
    def get_pools(self, *, details: bool = False) -> list[Answer]:
        """List the pools: `id`, `pool`, `slots`, `description`; `details` adds how many slots are in use."""

    @abstractmethod
    def get_pool(self, name: str) -> Answer:
        """Return the pool of that name."""

    @abstractmethod
    def create_pool(self, name: str, slots: int | str, description: str | None) -> Answer:
        """Create the pool, or change the one of that name; return the pool as it is now."""

    @abstractmethod
    def delete_pool(self, name: str) -> Answer:
        """Delete the pool, and return what it was."""

    @abstractmethod
    def close(self) -> None:
        """Close connections; the client can be used again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
