"""The grid of a DAG: its newest runs, each with the states of its tasks."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import asyncpg
import msgspec

from server.database.batch import Batcher
from server.database.dags import Dags
from server.database.database import Database
from server.database.settings import Settings
from server.errors import Conflict, NotFound, Unavailable
from server.wire.query import GridQuery
from server.wire.shapes import Grid, GridRun, MappedTask
from server.wire.warning_header import warn
from windsock.protocol import Code

_OF_A_RUN = tuple(name for name in GridRun.__struct_fields__ if name != "tasks")
_States = dict[str, str | MappedTask | None]


class _Key(NamedTuple):
    """A grid that somebody wants."""

    dag_id: str
    query: GridQuery


class Grids:
    """Reads the tables `dag_run` and `task_instance`."""

    def __init__(self, database: Database, settings: Settings, dags: Dags) -> None:
        """Read the runs of `database`, whose DAGs are `dags`."""
        self._database = database
        self._dags = dags
        # A grid may have thousands of states, so few are read at a time.
        self._find: Batcher[_Key, list[asyncpg.Record]] = settings.queue("grid", self._find_one)

    async def get(self, dag_id: str, query: GridQuery) -> tuple[Grid, bool]:
        """Return the grid, and whether there are older runs; raises NotFound for the DAG, and for the run `before`."""
        order = await self._order(dag_id)
        rows = await self._find(_Key(dag_id, query))
        if not rows and query.before is not None:
            await self._require_run(dag_id, query.before)
        if rows and rows[0]["is_cut"]:
            warn(f"The run {rows[0]['run_id']} has more than 20000 task instances; no more are counted")
        runs = [_run(row) for row in rows]
        return Grid(runs=runs, tasks=_all_tasks(order, runs)), bool(rows) and rows[0]["has_more"]

    async def _order(self, dag_id: str) -> Sequence[str]:
        """Return the ids of the DAG's tasks; nothing, with a warning, if it cannot be read. Raises NotFound."""
        try:
            dag = await self._dags.get(dag_id)
        except (Conflict, Unavailable) as error:
            warn(f"The order of the tasks is not known: {error.without_restricted().message}")
            return ()
        return dag.serialized.order if dag.serialized else ()

    async def _require_run(self, dag_id: str, run: int) -> None:
        if not await self._database.fetchval("is_run_of", dag_id, run):
            raise NotFound(f"Dag Run with the id {run} not found in dag {dag_id}", Code.RUN_NOT_FOUND)

    async def _find_one(self, keys: Sequence[_Key]) -> Sequence[list[asyncpg.Record]]:
        ((dag_id, query),) = keys
        if query.before is None:
            return [await self._database.fetch("grid", dag_id, query.limit)]
        return [await self._database.fetch("grid_before", dag_id, query.limit, query.before)]


def _run(row: asyncpg.Record) -> GridRun:
    tasks = msgspec.json.decode(row["tasks"] or "{}", type=_States)
    return GridRun(**{name: row[name] for name in _OF_A_RUN}, tasks=tasks)


def _all_tasks(order: Sequence[str], runs: Iterable[GridRun]) -> list[str]:
    """Return the tasks of the DAG in their order, and then those that only its runs have."""
    of_runs = {task_id for run in runs for task_id in run.tasks}
    return [*order, *sorted(of_runs.difference(order))]
