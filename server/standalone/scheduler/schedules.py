"""Makes the runs of schedules when they are due, each exactly once whatever other schedulers do.

The database has the next run of each DAG. One statement makes the runs that are due and notes which is next, unless
another scheduler has done so in the meantime. `scheduler` calls this when a run is due, and when a DAG has changed.
"""

import math
import time
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime

import asyncpg
import structlog

from server.database.encoding import MALFORMED
from server.database.timetables import Interval
from server.standalone.scheduler.graph import Graph
from server.standalone.scheduler.graphs import Graphs
from server.standalone.scheduler.schedule import Plan, plan, run_id_of
from server.standalone.scheduler.store import NextRun, Store

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_PORTION = 200
_NOTHING = Plan([], None)
# In seconds. The clocks of the database and of this machine may differ a little.
_SOON = 0.005
_LONG_AGO = datetime.fromtimestamp(0, UTC)


class Schedules:
    """The schedules of all DAGs in the standalone database."""

    def __init__(
        self,
        store: Store,
        graphs: Graphs,
        max_active_runs: int,
        *,
        catchup_by_default: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`max_active_runs` and `catchup_by_default` are for DAGs that do not say.

        `clock` is the one on the wall, in seconds, which somebody may set. What is due is a question for the database's
        clock; this one only says when to ask again.
        """
        self._store = store
        self._graphs = graphs
        self._max_active_runs = max_active_runs
        self._catchup_by_default = catchup_by_default
        self._clock = clock
        self._held: set[str] = set()
        self._behind = False
        self._due_at = 0.0
        self._asked = _LONG_AGO

    def look(self) -> None:
        """Let the next round look at them: a DAG may have changed, or been unpaused."""
        self._due_at = 0.0

    def runs_ended(self, dag_ids: Collection[str]) -> None:
        """Note that runs of these DAGs have ended: those that were held back may be made."""
        if not self._held.isdisjoint(dag_ids):
            self.look()

    def wait(self, longest: float) -> float:
        """Return the seconds until a run is due by the clock on the wall, at most `longest`."""
        return max(0.0, min(longest, self._due_at - self._clock()))

    async def make_runs(self) -> list[int]:
        """Make what is due; return the ids of the new runs."""
        made: list[int] = []
        self._held.clear()
        self._behind = False
        seen: set[str] = set()
        while rows := await self._store.due_schedules(_PORTION, seen):
            seen.update(row["dag_id"] for row in rows)
            made += await self._make(rows)
            if len(rows) < _PORTION:
                break
        seconds, self._asked = await self._store.seconds_until_due(self._asked)
        self._due_at = math.inf if seconds is None else self._clock() + max(seconds, _SOON)
        if self._behind:
            self.look()
        return made

    async def _make(self, rows: Sequence[asyncpg.Record]) -> list[int]:
        async with self._store.database.transaction() as conn:
            graphs, awaited = await self._graphs.load(conn, [row["dag_id"] for row in rows])
        nexts, runs = [], []
        for row in rows:
            dag_id = row["dag_id"]
            if dag_id in awaited:
                continue
            planned = self._plan(row, graphs.get(dag_id))
            if planned.is_held:
                self._held.add(dag_id)
            self._behind |= planned.is_behind
            following = _next_run(row, planned)
            if following.still_waits:
                continue
            nexts.append(following)
            runs += [(dag_id, run_id_of(interval), *interval) for interval in planned.due]
        made = await self._store.make_runs(nexts, runs) if nexts else []
        for run in made:
            _log.info("run scheduled", dag_id=run["dag_id"], run_id=run["run_id"])
        return [run["id"] for run in made]

    def _plan(self, row: asyncpg.Record, graph: Graph | None) -> Plan:
        if graph is None or graph.schedule is None:
            return _NOTHING
        timetable = graph.schedule.timetable
        window = graph.schedule.window(catchup_by_default=self._catchup_by_default)
        room = 0 if row["is_paused"] else (graph.max_active_runs or self._max_active_runs) - row["active_runs"]
        try:
            if row["windsock_scheduled_hash"] != row["dag_hash"]:
                following = timetable.next_run(_interval(row, "last"), window, row["now"])
            elif (following := _interval(row, "next")) is not None:
                following = timetable.resumed(following, window, row["now"])
            return plan(timetable, window, following, row["now"], room)
        except MALFORMED as error:
            _log.warning("a schedule ends: it has no next run", dag_id=row["dag_id"], reason=str(error))
            return _NOTHING


def _interval(row: asyncpg.Record, name: str) -> Interval | None:
    start, end = row[f"{name}_start"], row[f"{name}_end"]
    return None if start is None or end is None else (start, end)


def _next_run(row: asyncpg.Record, planned: Plan) -> NextRun:
    start, end = planned.next or (None, None)
    # As in Airflow, a run that must wait for others has no such moment. A paused DAG waits for nothing but its pause.
    after = None if planned.is_held and not row["is_paused"] else end
    due = planned.due[-1][1] if planned.due else None
    was = row["windsock_scheduled_hash"], row["next_start"], row["create_after"]
    return NextRun(row["dag_id"], row["dag_hash"], *was, start, end, after, due)
