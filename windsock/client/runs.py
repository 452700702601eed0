"""What both clients offer for DAG runs and their tasks. The command line starts with it, so it imports little."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence

from windsock.client.patience import Patience
from windsock.client.results import Answer, ApiError, TaskLog, TaskLogPart, Unreachable
from windsock.protocol import ENDED

LONGEST_WAIT = 25.0
# In seconds. If an answer comes sooner than this, the server did not wait. Then the client pauses: shortly at first,
# for runs that take seconds; ten seconds are enough for runs that take hours.
_PROMPT = 1.0
_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.2, 10.0, 1.5


class Runs(ABC):
    """The part of the API about runs; see `windsock.client.interface.Client`."""

    longest_wait = LONGEST_WAIT
    """How long, in seconds, one request waits at most for the end of a run."""

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

    @abstractmethod
    def get_dag_run_states(self, runs: Sequence[tuple[str, str]], wait: float = 0) -> list[Answer]:
        """Return what is known of each run: once all have ended, or after `wait` seconds, or earlier, as above.

        `runs` are pairs of dag_id and execution_date, or `run_id=` and the run_id; at most 1,000. For each there is an
        answer with what names it, and `state`; or with `code` and `error`, if there is no state to tell.
        """

    def wait(
        self,
        dag_id: str,
        execution_date: str,
        timeout: float | None = None,
        seen: Callable[[str | None], None] | None = None,
    ) -> str | None:
        """Return the state of a run once it has ended, or the one that it has after `timeout` seconds (None: no limit).

        `seen` is called with the state after each look. Raises what `get_dag_run_state` does; but after a first answer,
        server and database may be away for two minutes.
        """
        start, pause, patience = time.monotonic(), _FIRST_PAUSE, Patience()
        while True:
            asked = time.monotonic()
            left = timeout - (asked - start) if timeout is not None else self.longest_wait
            if not patience.was_served:
                # Whoever has an answer bears a break afterwards.
                left = 0
            try:
                state = self.get_dag_run_state(dag_id, execution_date, max(0, min(left, self.longest_wait)))
            except (ApiError, Unreachable) as error:
                patience.bear(error, None if timeout is None else start + timeout)
                continue
            patience.served()
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
    def events(
        self,
        *,
        dag_id: str | Sequence[str] | None = None,
        run_id: str | Sequence[str] | None = None,
        last_event_id: str | None = None,
    ) -> Generator[Answer, None, None]:
        """Yield what happens to runs from now on, or since the event with `last_event_id`; for ever.

        Each event has its name in `event` and its `id`. `run_created`, `run_changed`, `run_ended` and `run_deleted`
        also have `dag_id`, `execution_date`, `run_id` and `state`; `task_changed`, which only a standalone server
        sends, also `task_id` and `try_number`. After a `gap` events may be missing: read the states of the runs again.
        Where the stream breaks off, another one goes on after the last event.
        """

    @abstractmethod
    def get_dag_run(self, dag_id: str, execution_date: str, wait: float = 0) -> Answer:
        """Return all about a run, such as `state`, `conf`, `note` and `task_states`; for `wait` see above.

        With an older server the ApiError has the code `endpoint_not_found`; also in the three methods below.
        """

    @abstractmethod
    def get_task_instances(self, dag_id: str, execution_date: str) -> list[Answer]:
        """List the task instances of a run by `task_id` and `map_index`; `waits_for` says why those wait that do."""

    @abstractmethod
    def get_unfinished_runs(self) -> list[Answer]:
        """List the runs of all DAGs that are queued or running, the oldest first; at most 1,000."""

    @abstractmethod
    def get_latest_runs(self, *, details: bool = False) -> list[Answer]:
        """List the newest run of each DAG; `details` adds `state`, `run_id`, `id` and `end_date`."""

    @abstractmethod
    def get_grid(self, dag_id: str, limit: int = 25, before: int | None = None) -> Answer:
        """Return `runs` of a DAG, the newest first, each with the states of its `tasks`; and the ids of all `tasks`.

        `before` is the `id` of a run: only older ones are returned. There are at most 100, fewer if they have many
        tasks.
        """

    @abstractmethod
    def get_task_instance(self, dag_id: str, execution_date: str, task_id: str) -> Answer:
        """Return the task instance's columns, each as text."""

    @abstractmethod
    def get_waits_for(self, dag_id: str, execution_date: str, task_id: str) -> list[str]:
        """Return what a task waits for, as a list of texts; it is empty if the task has begun or is done."""

    @abstractmethod
    def get_task_log(
        self,
        dag_id: str,
        execution_date: str,
        task_id: str,
        try_number: int | None = None,
        map_index: int | None = None,
    ) -> TaskLog:
        """Return the log of a task, by default of its last try; `map_index` chooses an instance of a mapped task.

        Beside an Airflow, only logs on the server's machine can be read.
        """

    @abstractmethod
    def get_task_log_part(
        self,
        dag_id: str,
        execution_date: str,
        task_id: str,
        try_number: int | None,
        start: int,
        size: int,
        map_index: int | None = None,
    ) -> TaskLogPart:
        """Return up to `size` bytes of the log from `start` on; b"" if there are none."""
