"""Looks at runs: reads what the database says about them, decides, and writes the result, in one transaction."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg
import structlog

from server.database.connections import Connection
from server.standalone.scheduler.decide import Decision, Instance, Run, decide
from server.standalone.scheduler.graph import Graph, Node
from server.standalone.scheduler.graphs import Graphs
from server.standalone.scheduler.states import State, TaskState
from server.standalone.scheduler.store import Key, Move, Store

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


_KNOWN = frozenset(State)


class EndedRun(NamedTuple):
    """A run that has ended; `reason` says why, as Airflow calls it."""

    run: int
    graph: Graph
    state: State
    reason: str
    end_date: datetime


@dataclass(slots=True)
class Examined:
    """The result of a look at runs. `wakes`: the seconds until a run must be looked at again."""

    seen: set[int] = field(default_factory=set)
    wakes: dict[int, float] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    ended: list[EndedRun] = field(default_factory=list)
    scheduled: bool = False
    created: int = 0
    advanced: set[str] = field(default_factory=set)
    """DAGs with a run that began or ended, so that waiting runs may begin."""
    looked_back_at: set[str] = field(default_factory=set)
    """DAGs whose runs depend on each other, if one of these runs has changed."""


@dataclass(slots=True)
class _Changes:
    created: list[tuple[str, datetime, Node, TaskState]] = field(default_factory=list)
    slas: list[tuple[Key, timedelta]] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    finished: dict[int, State] = field(default_factory=dict)


class Examiner:
    """Looks at runs in the standalone database."""

    def __init__(self, store: Store, graphs: Graphs, max_active_runs: int, *, catchup_by_default: bool) -> None:
        """`max_active_runs` and `catchup_by_default` are for DAGs that do not say."""
        self._catchup_by_default = catchup_by_default
        self._store = store
        self._graphs = graphs
        self._max_active_runs = max_active_runs

    async def examine(self, run_ids: Sequence[int]) -> Examined:
        """Look at those of the runs that no other scheduler is looking at."""
        result, changes = Examined(), _Changes()
        async with self._store.database.transaction() as conn:
            runs = await self._store.lock_runs(conn, run_ids)
            if not runs:
                return result
            graphs, awaited = await self._graphs.load(conn, sorted({run["dag_id"] for run in runs}))
            ids = [run["id"] for run in runs]
            instances = await self._store.instances(conn, ids)
            before = await self._before(conn, runs, graphs)
            admitted = await self._admit(conn, [run for run in runs if not instances[run["id"]]], graphs)
            for run in runs:
                result.seen.add(run["id"])
                graph = graphs.get(run["dag_id"])
                if run["dag_id"] in awaited:
                    # It is looked at again when its DAG has been read.
                    continue
                if graph is None:
                    _log.error("a run failed: its DAG is not stored", dag_id=run["dag_id"], run_id=run["run_id"])
                    changes.finished[run["id"]] = State.FAILED
                elif instances[run["id"]] or run["id"] in admitted:
                    _look_at(graph, run, instances[run["id"]], before.get(run["id"]), changes, result)
            await self._store.create(conn, changes.created)
            await self._store.watch_slas(conn, changes.slas)
            await self._store.move(conn, changes.moves)
            await self._store.finish_runs(conn, changes.finished)
        result.created = len(changes.created)
        result.scheduled |= any(move.after is State.SCHEDULED for move in changes.moves)
        _log_ends(runs, changes.finished)
        return result

    async def _before(
        self, conn: Connection, runs: Sequence[asyncpg.Record], graphs: Mapping[str, Graph]
    ) -> dict[int, dict[str, TaskState]]:
        """Return the states of the tasks of the run before, for runs that depend on it; no entry if there is none."""
        back = [run["id"] for run in runs if run["dag_id"] in graphs and graphs[run["dag_id"]].looks_back]
        if not back:
            return {}
        dags = {run["id"]: run["dag_id"] for run in runs}
        # As in Airflow, a schedule that catches up goes by its own runs, whatever was triggered between them.
        by_schedule = [
            run_id for run_id in back if graphs[dags[run_id]].catches_up(by_default=self._catchup_by_default)
        ]
        rows_of = await self._store.states_before(conn, back, by_schedule)
        return {run_id: _states_before(rows, graphs[dags[run_id]]) for run_id, rows in rows_of.items() if rows}

    async def _admit(
        self, conn: Connection, waiting: Sequence[asyncpg.Record], graphs: Mapping[str, Graph]
    ) -> set[int]:
        """Choose the runs that may begin: earlier dates first, and no more runs of a DAG than its max_active_runs.

        Those of a backfill do not count for the others, which would wait long otherwise.
        """
        waiting = [run for run in waiting if not run["is_paused"] and run["dag_id"] in graphs]
        if not waiting:
            return set()
        active = Counter(await self._store.begun(conn, sorted({run["dag_id"] for run in waiting})))
        admitted = set()
        for run in waiting:
            dag_id, is_backfill = run["dag_id"], run["is_backfill"]
            counted = active[dag_id, False] + (active[dag_id, True] if is_backfill else 0)
            if counted < (graphs[dag_id].max_active_runs or self._max_active_runs):
                active[dag_id, is_backfill] += 1
                admitted.add(run["id"])
        return admitted


def _states_before(rows: Sequence[asyncpg.Record], graph: Graph) -> dict[str, TaskState]:
    states = {row["task_id"]: _state(row["state"]) for row in rows if row["task_id"] is not None}
    if rows[0]["run_state"] == State.RUNNING:
        # A task that the previous run has not reached yet is waited for; one that it never had is not.
        return dict.fromkeys(graph.nodes) | states
    return states


def _look_at(
    graph: Graph,
    run: asyncpg.Record,
    rows: Sequence[asyncpg.Record],
    before: Mapping[str, TaskState] | None,
    changes: _Changes,
    result: Examined,
) -> None:
    date, now = run["execution_date"], run["now"]
    known = {row["task_id"]: Instance(_state(row["state"]), row["try_number"] or 0, row["end_date"]) for row in rows}
    view = Run(run["run_id"], date, run["start_date"], run["is_paused"], before)
    decision = decide(graph, view, known, now)
    new = [node for task_id, node in graph.nodes.items() if task_id not in known and node.belongs_to(date)]
    changes.created += [(graph.dag_id, date, node, decision.moves.get(node.task_id)) for node in new]
    if "sla_miss_callback" in graph.callbacks:
        changes.slas += [(Key(graph.dag_id, date, node.task_id), node.sla) for node in new if node.sla]
    changes.moves += [
        Move(Key(graph.dag_id, date, task_id), known[task_id].state, after)
        for task_id, after in decision.moves.items()
        if task_id in known
    ]
    if decision.run_state is not None:
        changes.finished[run["id"]] = decision.run_state
        result.ended.append(EndedRun(run["id"], graph, decision.run_state, decision.reason, now))
    result.sizes[run["id"]] = len(known) + len(new)
    _note(graph, run["id"], decision, now, result, begun=bool(rows))


def _note(graph: Graph, run_id: int, decision: Decision, now: datetime, result: Examined, *, begun: bool) -> None:
    if decision.look_again is not None and decision.run_state is None:
        result.wakes[run_id] = max(0.0, (decision.look_again - now).total_seconds())
    if State.SCHEDULED in decision.moves.values():
        result.scheduled = True
    if decision.run_state is not None or not begun:
        result.advanced.add(graph.dag_id)
    if graph.looks_back and (decision.moves or decision.run_state is not None):
        result.looked_back_at.add(graph.dag_id)


def _state(text: str | None) -> TaskState:
    """Read a state. If somebody wrote one that the scheduler does not know, the task waits until they change it."""
    if text is None:
        return None
    return State(text) if text in _KNOWN else State.RUNNING


def _log_ends(runs: Sequence[asyncpg.Record], finished: Mapping[int, State]) -> None:
    for run in runs:
        if run["id"] in finished:
            _log.info("run finished", dag_id=run["dag_id"], run_id=run["run_id"], state=str(finished[run["id"]]))
