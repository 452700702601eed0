"""The executor: runs the tries that the database has given to this scheduler, each in an asyncio task of its own.

`scheduler` calls it in each round: `begin` and `keep_only` with the rows of its tries, and then it takes what has ended
to `reports`. For each try the executor calls `task_runner.run_try`.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import asyncpg
import structlog

from server.errors import Unavailable
from server.process.cancellation import pause
from server.standalone.scheduler.context import Try, read_xcoms
from server.standalone.scheduler.graphs import Graphs
from server.standalone.scheduler.run_command import Place
from server.standalone.scheduler.states import after_failure
from server.standalone.scheduler.store import Ended, Key, Store
from server.standalone.scheduler.task_runner import ended, run_try, wants_xcoms
from server.standalone.scheduler.tries import read_try

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
_PATIENCE_WITH_DATABASE = 0.5


class TryId(NamedTuple):
    """A try of a certain run: if a DAG is deleted and triggered again, the same task may run again at the same date."""

    run: int
    key: Key
    number: int


class LocalExecutor:
    """The tries that run, those that have ended but are not reported, and process ids that are not yet written."""

    def __init__(
        self,
        store: Store,
        graphs: Graphs,
        place: Place,
        wake: Callable[[], None],
        tell: Callable[[Try, Ended], None],
    ) -> None:
        """`wake` and `tell` are called when a try has ended; `tell` not if it was ended from outside."""
        self._tell = tell
        self._store = store
        self._graphs = graphs
        self._place = place
        self._wake = wake
        self._running: dict[TryId, asyncio.Task[Ended]] = {}
        self._ending: set[TryId] = set()
        self.unreported: dict[TryId, Ended] = {}
        self.pids: dict[TryId, int] = {}

    def begin(self, rows: Iterable[asyncpg.Record]) -> None:
        """Begin every try in these rows of `Store.own_tries` that is neither under way nor waiting to be reported."""
        for row in rows:
            identity = run, key, number = _id_of_row(row)
            if identity in self._running or identity in self.unreported:
                continue
            attempt = self._attempt(key, row)
            if attempt is None:
                state = after_failure(number, row["max_tries"])
                self.unreported[identity] = Ended(run, key, number, state, {})
                _log.error("a task failed: its DAG has no such task any more", dag_id=key.dag_id, task_id=key.task_id)
                self._wake()
                continue
            task = asyncio.create_task(self._run(attempt))
            self._running[identity] = task
            task.add_done_callback(partial(self._done, attempt))

    def keep_only(self, rows: Iterable[asyncpg.Record], known: Iterable[TryId]) -> None:
        """End those of the `known` tries that are not this scheduler's any more: their rows were changed or deleted."""
        own = {_id_of_row(row) for row in rows}
        for identity in known:
            if identity not in own and identity in self._running and identity not in self._ending:
                key = identity.key
                _log.warning("ending a task that was changed from outside", dag_id=key.dag_id, task_id=key.task_id)
                self._end(identity)

    @property
    def under_way(self) -> list[TryId]:
        """The tries that run."""
        return list(self._running)

    def forget(self, identity: TryId) -> None:
        """Drop a try that was reported."""
        self.unreported.pop(identity, None)
        self.pids.pop(identity, None)

    async def end_all(self) -> None:
        """End all tries. They count as failed, because what they have done is not undone."""
        tasks = list(self._running.values())
        for identity in self._running.keys() - self._ending:
            self._end(identity)
        await asyncio.gather(*tasks, return_exceptions=True)
        # The callbacks of the tasks run after this.
        await asyncio.sleep(0)

    def _end(self, identity: TryId) -> None:
        # Only once for each try: a second cancellation would cut short the time that it has to end.
        self._ending.add(identity)
        self._running[identity].cancel()

    def _attempt(self, key: Key, row: asyncpg.Record) -> Try | None:
        graph = self._graphs.recent(key.dag_id)
        return None if graph is None else read_try(graph, key, row)

    async def _run(self, attempt: Try) -> Ended:
        if wants_xcoms(attempt):
            attempt.xcoms.update(await self._xcoms(attempt.key))
        return await run_try(attempt, self._place, partial(self._began, attempt))

    def _began(self, attempt: Try, pid: int) -> None:
        self.pids[_id_of(attempt)] = pid
        self._wake()

    async def _xcoms(self, key: Key) -> dict[tuple[str, str], Any]:
        while True:
            try:
                return read_xcoms(await self._store.xcoms(key))
            except Unavailable:
                await pause(_PATIENCE_WITH_DATABASE)

    def _done(self, attempt: Try, task: asyncio.Task[Ended]) -> None:
        identity = _id_of(attempt)
        del self._running[identity]
        self._ending.discard(identity)
        if task.cancelled():
            self.unreported[identity] = ended(attempt, after_failure(attempt.try_number, attempt.max_tries))
        elif (error := task.exception()) is not None:
            # A fault of ours, or a log that cannot be written: failures of the task itself come back as results.
            _log.error("a task failed", dag_id=attempt.key.dag_id, task_id=attempt.key.task_id, exc_info=error)
            self.unreported[identity] = ended(attempt, after_failure(attempt.try_number, attempt.max_tries))
        else:
            self.unreported[identity] = task.result()
            self._tell(attempt, task.result())
        self._wake()


def _id_of_row(row: asyncpg.Record) -> TryId:
    return TryId(row["run"], Key(row["dag_id"], row["execution_date"], row["task_id"]), row["try_number"])


def _id_of(attempt: Try) -> TryId:
    return TryId(attempt.run, attempt.key, attempt.try_number)
