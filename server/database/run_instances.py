"""The task instances of a run, as a list: mapped ones too, and why they wait."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from operator import itemgetter
from typing import NamedTuple

import asyncpg
import msgspec

from server.database.dags import Dags
from server.database.database import Database, ordered
from server.database.planned import PlannedTasks
from server.database.reasons import UNFINISHED_RUN, WAITING, Instance, Reasons
from server.database.run_states import missing_run
from server.database.waiting import Waiting
from server.errors import Conflict, NotFound, Unavailable
from server.wire.query import Page
from server.wire.run_names import RunId, RunName
from server.wire.shapes import InstanceDetails
from server.wire.warning_header import warn
from windsock.protocol import Code

# A page is encoded at once, within milliseconds.
_STREAM_PAGE = 500
_NOTHING_PLANNED = PlannedTasks({}, "[]", [], [], [], [])
_OF_THE_RUN = frozenset({"dag_id", "execution_date", "run_id", "waits_for"})
_COLUMNS = tuple(name for name in InstanceDetails.__struct_fields__ if name not in _OF_THE_RUN)
_columns = itemgetter(*_COLUMNS)


class FoundRun(NamedTuple):
    """A run whose instances are to be listed."""

    id: int
    dag_id: str
    run_id: str | None
    execution_date: str | None
    state: str | None
    planned: PlannedTasks
    """Nothing if the run has ended, or if its DAG cannot be read."""
    reasons: Reasons | None
    """Why its instances wait; None if nothing is known about that."""


class RunInstances:
    """Lists the instances of runs in the `task_instance` table."""

    def __init__(self, database: Database, dags: Dags, waiting: Waiting) -> None:
        """Read the task instances of `database`, whose DAGs are `dags`."""
        self._database = database
        self._dags = dags
        self._waiting = waiting

    async def find(self, dag_id: str, run: RunName, *, shows_totals: bool) -> FoundRun:
        """Find a run; raises NotFound for DAG and run.

        A DAG that cannot be read, or facts that take too long to find, lead to a warning: the rows are there all the
        same.
        """
        name, by = ("run_with_dag_by_id", run.run_id) if isinstance(run, RunId) else ("run_with_dag", run)
        row = await self._database.fetchrow(name, dag_id, by)
        if row is None:
            raise await self._dags.unknown(dag_id)
        if row["version"] is None and row["any_serialized"]:
            raise NotFound(f"Dag id {dag_id} not found", Code.DAG_NOT_FOUND)
        if row["id"] is None:
            raise missing_run(dag_id, run)
        planned, reasons = _NOTHING_PLANNED, None
        if row["state"] in UNFINISHED_RUN:
            try:
                dag = await self._dags.at(
                    dag_id, row["root_dag_id"], row["version"], any_serialized=row["any_serialized"]
                )
                planned = dag.serialized.planned if dag.serialized else _NOTHING_PLANNED
                reasons = await self._waiting.of_run(dag, row["id"], planned, shows_totals=shows_totals)
            except (Conflict, Unavailable) as error:
                warn(f"It is not known why tasks wait: {error.without_restricted().message}")
        return FoundRun(row["id"], dag_id, row["run_id"], row["execution_date"], row["state"], planned, reasons)

    async def count(self, run: FoundRun) -> int:
        """Return how many instances the run has, or will have if nobody has made them yet."""
        total: int = await self._database.fetchval("count_run_instances", run.id, run.planned.rows)
        return total

    async def pages(self, run: FoundRun, page: Page) -> AsyncGenerator[Sequence[str], None]:
        """Yield pages of JSON objects, one for each instance, ordered by task_id and map_index."""
        arguments = (run.id, run.planned.rows, page.limit, page.offset)
        name = ordered("run_instances", descending=page.descending)
        stream = self._database.stream_rows(name, arguments, _STREAM_PAGE)
        async with aclosing(stream):
            async for rows in stream:
                yield [_ENCODER.encode(_shown(row, run)).decode() for row in rows]


_ENCODER = msgspec.json.Encoder(order="sorted")


def _shown(row: asyncpg.Record, run: FoundRun) -> InstanceDetails:
    instance = InstanceDetails(
        dag_id=run.dag_id,
        run_id=run.run_id,
        execution_date=run.execution_date,
        **dict(zip(_COLUMNS, _columns(row), strict=True)),
    )
    instance.waits_for = _waits_for(instance, run)
    return instance


def _waits_for(instance: InstanceDetails, run: FoundRun) -> list[str] | None:
    if instance.state not in WAITING or run.state not in UNFINISHED_RUN:
        return []
    needs = run.planned.needs.get(instance.task_id)
    if run.reasons is None or needs is None:
        return None
    found = Instance(instance.task_id, instance.state, instance.pool, instance.pool_slots)
    return run.reasons.of(found, needs)
