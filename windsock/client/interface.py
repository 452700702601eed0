"""What both clients offer. The command line starts with this module, so it imports little."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from windsock.protocol import ENDED, Code

Answer = dict[str, Any]

_BAD_REQUEST, _NOT_FOUND = 400, 404
# In seconds. If an answer comes sooner than this, the server did not wait. Then the client pauses: shortly at first,
# for runs that take seconds; ten seconds are enough for runs that take hours.
_PROMPT = 1.0
_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.2, 10.0, 1.5


class TaskLog(NamedTuple):
    """The log of one try of a task."""

    try_number: int
    text: str


class TaskLogPart(NamedTuple):
    """Some bytes of the log of one try of a task; `size` is the size of the whole log so far."""

    try_number: int
    data: bytes
    size: int


class ClientError(Exception):
    """A call failed; the text is one line for people, and `detail` says more."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class ApiError(ClientError):
    """The API refused the request or failed.

    `status` is the HTTP status, and `code` says in one word what is wrong, for programs: the local client's errors have
    the same. With a server that has no codes, `code` may be None.
    """

    def __init__(self, status: int, message: str, detail: str = "", *, code: str | None = None) -> None:
        super().__init__(message, detail)
        self.status = status
        self.code = code


class Unreachable(ClientError):
    """There was no answer: no connection, a broken connection, a TLS error, a timeout."""


class Client(ABC):
    """The experimental API, method by method.

    The answers are those that the API documents, as Python objects. Dates are texts, as the API reads and writes them.
    Every method raises ApiError or Unreachable. Use a client in one thread at a time; `close` it, or use `with`.
    """

    error = ApiError
    longest_wait = 25.0
    """How long, in seconds, one request waits at most for the end of a run."""

    @abstractmethod
    def test(self) -> Answer:
        """Return `{"status": "OK"}` if the API can be used."""

    @abstractmethod
    def whoami(self) -> Answer:
        """Return who the caller is and may do: `user`, `backend`, `roles`, and `permissions` with their `dags`.

        `backend` is None if the client works straight on the database: there are no users then.
        """

    @abstractmethod
    def trigger_dag(
        self,
        dag_id: str,
        run_id: str | None = None,
        conf: Mapping[str, object] | str | None = None,
        execution_date: str | None = None,
        *,
        replace_microseconds: bool | None = None,
    ) -> Answer:
        """Create a run; return `execution_date`, `message`, `run_id`, and a `warning` if the answer has one.

        `conf` is an object, or the JSON text of one.
        """

    @abstractmethod
    def get_dag_runs(
        self,
        dag_id: str,
        state: str | None = None,
        *,
        run_id: str | Sequence[str] | None = None,
        execution_date_gte: str | None = None,
        execution_date_lte: str | None = None,
        descending: bool = False,
        limit: int | None = None,
    ) -> list[Answer]:
        """List runs by execution_date, of one or several `run_id`s; for an unknown DAG the ApiError has status 404."""

    @abstractmethod
    def get_dag_run_state(self, dag_id: str, execution_date: str, wait: float = 0) -> str | None:
        """Return the state of a run: once it has ended, or after `wait` seconds.

        `execution_date` is its date, or `run_id=` and its run_id; here and below. The answer may come earlier: the
        server has a limit of its own, is about to stop, or is an older one, which does not wait.
        """

    def wait(
        self,
        dag_id: str,
        execution_date: str,
        timeout: float | None = None,
        seen: Callable[[str | None], None] | None = None,
    ) -> str | None:
        """Return the state of a run once it has ended, or the one that it has after `timeout` seconds (None: no limit).

        `seen` is called with the state after each look. Raises what `get_dag_run_state` does.
        """
        start, pause = time.monotonic(), _FIRST_PAUSE
        while True:
            asked = time.monotonic()
            left = timeout - (asked - start) if timeout is not None else self.longest_wait
            state = self.get_dag_run_state(dag_id, execution_date, max(0, min(left, self.longest_wait)))
            if seen is not None:
                seen(state)
            now = time.monotonic()
            if state in ENDED or (timeout is not None and now - start >= timeout):
                return state
            if now - asked < min(left, self.longest_wait, _PROMPT):
                # This server did not wait.
                time.sleep(min(pause, start + timeout - now if timeout is not None else pause))
                pause = min(pause * _GROWTH, _LONGEST_PAUSE)

    @abstractmethod
    def get_latest_runs(self) -> list[Answer]:
        """List the newest run of each DAG."""

    @abstractmethod
    def get_dags(self) -> list[Answer]:
        """List the DAGs: `dag_id`, `is_paused`, `is_active`, `owners`, `schedule_interval`, `tags`."""

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
    def get_tasks(self, dag_id: str) -> list[Answer]:
        """List the DAG's tasks: `task_id`, `operator`, `downstream`."""

    @abstractmethod
    def get_task(self, dag_id: str, task_id: str) -> Answer:
        """Return the task's attributes, each as text."""

    @abstractmethod
    def get_task_instance(self, dag_id: str, execution_date: str, task_id: str) -> Answer:
        """Return the task instance's columns, each as text."""

    @abstractmethod
    def get_waits_for(self, dag_id: str, execution_date: str, task_id: str) -> list[str]:
        """Return what a task waits for, as a list of texts; it is empty if the task has begun or is done."""

    @abstractmethod
    def get_task_log(self, dag_id: str, execution_date: str, task_id: str, try_number: int | None = None) -> TaskLog:
        """Return the log of a task, by default of its last try; only for tasks that Windsock itself runs."""

    @abstractmethod
    def get_task_log_part(
        self, dag_id: str, execution_date: str, task_id: str, try_number: int | None, start: int, size: int
    ) -> TaskLogPart:
        """Return up to `size` bytes of the log from `start` on; b"" if there are none."""

    @abstractmethod
    def get_pools(self) -> list[Answer]:
        """List the pools: `id`, `pool`, `slots`, `description`."""

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


def trigger_fields(
    run_id: str | None,
    conf: Mapping[str, object] | str | None,
    execution_date: str | None,
    *,
    replace_microseconds: bool | None,
) -> dict[str, object]:
    """Build the body of a trigger, as Airflow's own client sends it."""
    fields: dict[str, object] = {"run_id": run_id, "conf": conf, "execution_date": execution_date}
    if replace_microseconds is not None:
        fields["replace_microseconds"] = replace_microseconds
    return fields


def with_warning(answer: Answer, warning: str | None) -> Answer:
    """Add the `warning` that came with an answer, if there is one."""
    return answer if warning is None else {**answer, "warning": warning}


def runs_query(
    state: str | None,
    run_id: str | Sequence[str] | None,
    execution_date_gte: str | None,
    execution_date_lte: str | None,
    *,
    descending: bool,
    limit: int | None,
) -> list[tuple[str, str]]:
    """Build the query for a list of runs."""
    given = {
        "state": state,
        "execution_date_gte": execution_date_gte,
        "execution_date_lte": execution_date_lte,
        "order_by": "-execution_date" if descending else None,
        "limit": None if limit is None else str(limit),
    }
    run_ids = [run_id] if isinstance(run_id, str) else run_id or ()
    return [
        *((name, value) for name, value in given.items() if value is not None),
        *(("run_id", one) for one in run_ids),
    ]


def unknown_dag(error: ApiError) -> ApiError:
    """Turn the 400 with which lists answer for an unknown DAG (as Airflow's do) into the 404 that it means."""
    if error.status == _BAD_REQUEST and error.code == Code.DAG_NOT_FOUND:
        return ApiError(_NOT_FOUND, str(error), error.detail, code=error.code)
    return error
