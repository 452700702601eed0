"""Calls the functions that a DAG file names for the end of a run and for missed SLAs.

The end of a run is committed before, and nothing waits for these calls. So each is made at most once: a scheduler that
ends takes those with it that it has not made. A callback gets the context of one task of the run, and prints into that
task's log. The calls of one DAG are made one after another, and DAGs take turns: none holds up the others for long.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import groupby
from operator import itemgetter

import asyncpg
import structlog

from server.errors import Unavailable
from server.standalone.scheduler.background import Background
from server.standalone.scheduler.callback_facts import CallbackFacts
from server.standalone.scheduler.callbacks import bounded
from server.standalone.scheduler.context import read_xcoms
from server.standalone.scheduler.examine import EndedRun
from server.standalone.scheduler.graph import Graph
from server.standalone.scheduler.graphs import Graphs
from server.standalone.scheduler.run_command import Place, Running
from server.standalone.scheduler.run_python import call_back
from server.standalone.scheduler.states import State
from server.standalone.scheduler.store import Key, Store
from server.standalone.scheduler.tries import read_try
from server.task_logs.writing import NoLogError, log_folder, open_log

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_AT_ONCE = 2
# So many calls of one DAG may wait, with the one under way, for so many DAGs.
_MOST_OF_DAG = 500
_MOST_DAGS = 10_000
# No task pays for these processes with a slot.
_MEMORY = 2 * 2**30
# So many SLAs are judged at once.
_PORTION = 1000
_SLA_MISS = "sla_miss_callback"
_AT_END = {State.SUCCESS: "on_success_callback", State.FAILED: "on_failure_callback"}
_Call = Callable[[], Awaitable[None]]


class DagCallbacks:
    """The callbacks of DAGs, called in the background."""

    def __init__(self, store: Store, graphs: Graphs, place: Place) -> None:
        self._store = store
        self._facts = CallbackFacts(store.database)
        self._graphs = graphs
        self._place = place
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._waiting: dict[str, deque[_Call]] = {}
        self._background = Background(_MOST_DAGS)

    def runs_ended(self, runs: Iterable[EndedRun]) -> None:
        """Call what their DAGs name for the ends of these runs."""
        for end in runs:
            event = _AT_END[end.state]
            self._begin(event, end.graph, partial(self._tell_end, event, end))

    async def judge_slas(self) -> None:
        """Find the tasks that have missed an SLA since the last look, and call what their DAGs name for that."""
        due = await self._facts.due_slas()
        if not due:
            return
        async with self._store.database.transaction() as conn:
            graphs, awaited = await self._graphs.load(conn, due)
        rows = await self._facts.miss_slas(set(due) - awaited, _PORTION)
        rows.sort(key=itemgetter("dag_id", "execution_date", "task_id"))
        for dag_id, missed in groupby(rows, itemgetter("dag_id")):
            if dag_id in graphs:
                self._begin(_SLA_MISS, graphs[dag_id], partial(self._tell_misses, graphs[dag_id], list(missed)))

    async def close(self) -> None:
        """End the callbacks under way, and give up the others."""
        await self._background.close()

    def _begin(self, event: str, graph: Graph, tell: Callable[[], Awaitable[str]]) -> None:
        if isinstance(graph.callbacks.get(event), dict) and not self._queue(
            graph.dag_id, partial(self._run, event, graph, tell)
        ):
            _log.warning("a callback is not called: too many wait", dag_id=graph.dag_id, callback=event)

    def _queue(self, dag_id: str, call: _Call) -> bool:
        """Let a call wait for its turn; False if too many of its DAG, or too many DAGs, wait."""
        waiting = self._waiting.get(dag_id)
        if waiting is None:
            waiting = deque()
            if not self._background.begin(self._call_in_turn(dag_id, waiting)):
                return False
            self._waiting[dag_id] = waiting
        if len(waiting) >= _MOST_OF_DAG:
            return False
        waiting.append(call)
        return True

    async def _call_in_turn(self, dag_id: str, waiting: deque[_Call]) -> None:
        """Make the calls of one DAG."""
        while waiting:
            # The semaphore lets in who has waited longest, so that the next call of this DAG is behind other DAGs.
            async with self._room:
                await waiting[0]()
            waiting.popleft()
        del self._waiting[dag_id]

    async def _run(self, event: str, graph: Graph, tell: Callable[[], Awaitable[str]]) -> None:
        try:
            reason = await tell()
        except (Unavailable, asyncpg.PostgresError, OSError, NoLogError) as error:
            reason = f"{event} was not called: {error}"
        except Exception as error:  # noqa: BLE001 - the calls behind it must be made
            _log.exception("a callback of a DAG could not be called", dag_id=graph.dag_id)
            reason = f"{event} was not called: {type(error).__name__}"
        if reason:
            _log.warning("a callback of a DAG failed", dag_id=graph.dag_id, reason=reason)

    async def _tell_end(self, event: str, end: EndedRun) -> str:
        instances = [row for row in await self._facts.ended_instances(end.run) if row["task_id"] in end.graph.nodes]
        failed = [row for row in instances if row["state"] == end.state == State.FAILED]
        if not instances:
            # As in Airflow, there is no context without a task.
            return f"{event} was not called: the run has no task"
        last = (failed or instances)[0]
        run = {"state": end.state, "end_date": end.end_date.isoformat(), "instances": list(map(_plain, instances))}
        return await self._call(event, end.graph, last, _plain(last) | {"reason": end.reason, "dag_run": run})

    async def _tell_misses(self, graph: Graph, missed: Sequence[asyncpg.Record]) -> str:
        missed = [row for row in missed if row["task_id"] in graph.nodes]
        if not missed:
            return ""
        blocking = await self._facts.blocking_instances(graph.dag_id, [row["execution_date"] for row in missed])
        facts = {"slas": [_plain(row) for row in missed], "blocking": [_plain(row) for row in blocking]}
        return await self._call(_SLA_MISS, graph, missed[0], {"sla_miss": facts})

    async def _call(self, event: str, graph: Graph, row: asyncpg.Record, more: Mapping[str, object]) -> str:
        """Call it with the context and the log of the task in the row; return why it failed, "" if it did not."""
        key = Key(row["dag_id"], row["execution_date"], row["task_id"])
        found = await self._facts.last_try(key)
        attempt = None if found is None else read_try(graph, key, found)
        if attempt is None:
            return f"{event} was not called: task {key.task_id} is gone"
        attempt.xcoms.update(read_xcoms(await self._facts.first_xcoms(key)))
        folder = log_folder(self._place.log_folder, key.dag_id, key.task_id, key.execution_date)
        with open_log(folder, max(attempt.try_number, 1)) as log:
            running = Running(attempt, log, _unnoted, self._place)
            callback = graph.callbacks[event]
            call = call_back(running, callback, more, memory=_MEMORY)
            return await bounded(running, f"{event} of the DAG", callback, call)


def _unnoted(_pid: int) -> None:
    """Write nothing about a process: it is not that of a try."""


def _plain(row: asyncpg.Record) -> dict[str, object]:
    """Return the row in values that JSON has."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
