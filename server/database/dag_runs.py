"""DAG runs: triggers them, reads their states and lists them."""

from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import NamedTuple

import asyncpg
import msgspec

from server.caching.single_flight import SingleFlight
from server.database import new_runs
from server.database.announcer import Announcer
from server.database.batch import Batcher
from server.database.dag import Dag
from server.database.dags import Dags, Judgement
from server.database.database import Database, of_readable, ordered
from server.database.new_runs import NewRun, Row
from server.database.scheduler_health import SchedulerHealth
from server.database.settings import Settings
from server.database.whole_runs import DagChangedError, WholeRuns
from server.errors import BadRequest, Conflict, NotFound, Restricted
from server.wire.bodies import Trigger
from server.wire.dag_patterns import Readable
from server.wire.query import DagRunsQuery
from server.wire.warning_header import warn
from windsock.protocol import Code

_PAUSED = "The DAG is paused: this run starts when it is unpaused"
_INACTIVE = "The DAG is not active: this run starts when Airflow finds its file again"
_BROKEN = {
    True: "The DAG's file has import errors (GET /api/experimental/import_errors): this run goes by the last good DAG",
    False: "The DAG's file has import errors (GET /api/experimental/import_errors): tasks of this run may fail",
}
_NONE = Judgement()
# This is far more than changes of a DAG, or second moments for a run, are likely to need.
_ATTEMPTS = 10
_STREAM_PAGE = 2000


class _Page(NamedTuple):
    """The beginning of a list: callers who want the same share it."""

    statement: str
    arguments: tuple[object, ...]


class _Latest(NamedTuple):
    """The newest run of each DAG: callers who may read the same DAGs share it."""

    statement: str
    readable: Readable | None


class DagRuns:
    """The `dag_run` table."""

    def __init__(
        self, database: Database, settings: Settings, dags: Dags, announce: Announcer, scheduler: SchedulerHealth
    ) -> None:
        """Trigger and read the runs of `database`, whose DAGs are `dags`."""
        self._database = database
        self._readable = dags.readable
        self._scheduler = scheduler
        self._announce = announce
        self._dags = dags
        self._settings = settings
        self._trigger_width = settings.generation.trigger_width
        self._insert: Batcher[Row, asyncpg.Record] = settings.batcher("trigger", self._insert_many)
        self._insert_family: Batcher[tuple[Row, Dag], asyncpg.Record | None] = settings.queue(
            "trigger_family", self._insert_one_family
        )
        self._whole = WholeRuns(database, settings)
        self._collision: Batcher[tuple[str, str, datetime], asyncpg.Record] = settings.batcher(
            "find_collisions", self._find_collisions
        )
        self._first_page: SingleFlight[_Page, list[asyncpg.Record]] = SingleFlight(self._read_first_page, fresh=True)
        self._latest: SingleFlight[_Latest, msgspec.Raw] = SingleFlight(self._read_latest, fresh=True)
        self._unfinished: SingleFlight[Readable | None, msgspec.Raw] = SingleFlight(self._read_unfinished, fresh=True)
        self._graph_urls = settings.graph_url, settings.generation.graph_page

    async def trigger(self, dag_id: str, asked: Trigger, user: str | None = None) -> Trigger:
        """Make the run and those of its sub-DAGs, durably; if it will not start for now, a warning says why.

        `user` is the caller, None if unknown. Returns the run as it was made; if the caller named no date, the date may
        be another than that of `asked`. Raises NotFound for the DAG, then BadRequest for a date that is not allowed,
        for a run that exists, and for a run_id or a conf that is not allowed.
        """
        for _ in range(_ATTEMPTS):
            run = NewRun(dag_id, asked, user)
            dag, values = await self._prepare(run)
            known_warning = self._scheduler.known_warning()
            try:
                row = await self._make(values, run, dag)
            except (DagChangedError, asyncpg.ForeignKeyViolationError):
                # The DAG's version, or one of its deadlines, vanished meanwhile: all of it was undone.
                self._dags.forget(dag_id)
                continue
            if row is not None and not row["known"]:
                self._dags.forget(dag_id)
                raise await self._dags.unknown(dag_id)
            if row is not None and not row["fresh"]:
                self._dags.forget(dag_id)
                continue
            if row is not None and row["id"] is not None:
                self._warn_of_dag(row)
                if warning := await self._scheduler.warning() if known_warning is None else known_warning:
                    warn(warning)
                new_runs.warn_of_run(asked, values, self._settings)
                return asked
            if asked.moment is None:
                await self._refuse_collision(run, dag)
            else:
                # Nearly always it was the second that was taken. If the caller gave a run_id, the error says whether
                # that is taken.
                if asked.id_given and asked.execution_date == asked.moment:
                    await self._refuse_run_id(run, dag)
                asked = asked.moved(datetime.now(UTC))
        raise Conflict(f"Dag {dag_id} or its runs keep changing; try again", Code.DAG_CHANGES)

    async def pages(self, dag_id: str, query: DagRunsQuery) -> AsyncGenerator[Sequence[str], None]:
        """Yield pages of JSON objects, one for each run; for an unknown DAG raises BadRequest, as Airflow does."""
        name = ordered("dag_runs", descending=query.page.descending)
        arguments = (dag_id, *query.conditions, self._settings.run_url(dag_id))
        # One row more than a page shows whether there are more: nearly all lists are short, and need one statement.
        first = min(query.page.limit or _STREAM_PAGE + 1, _STREAM_PAGE + 1)
        rows = await self._first_page(_Page(name, (*arguments, first, query.page.offset)))
        if not rows:
            await self.require_dag(dag_id)
        if len(rows) <= _STREAM_PAGE:
            yield [row[0] for row in rows]
            return
        stream = self._database.stream(name, (*arguments, query.page.limit, query.page.offset), _STREAM_PAGE)
        async with aclosing(stream):
            async for page in stream:
                yield page

    async def require_dag(self, dag_id: str) -> None:
        """Raise BadRequest if there is no such DAG: Airflow answers lists with 400."""
        try:
            await self._dags.require(dag_id)
        except NotFound as error:
            refused = BadRequest(error.message, code=error.code)
            refused.restricted = error.restricted
            raise refused from error

    async def count(self, dag_id: str, query: DagRunsQuery) -> int:
        """Return how many runs `query` has, without its limit and offset."""
        total: int = await self._database.fetchval("count_dag_runs", dag_id, *query.conditions)
        return total

    async def latest(self, readable: Readable | None = None, *, with_states: bool = False) -> msgspec.Raw:
        """Return the newest run of each DAG that is `readable` (None: of all), as an object: `{"items": [...]}`.

        Postgres has written it. `with_states` says more about each run.
        """
        return await self._latest(_Latest("latest_runs_with_states" if with_states else "latest_runs", readable))

    async def unfinished(self, readable: Readable | None = None) -> msgspec.Raw:
        """Return the runs of all DAGs that are `readable` (None: of all) which are queued or running, as a list.

        Postgres has written it. Those that began first come first; there are at most 1,000.
        """
        return await self._unfinished(readable)

    def _make(self, values: Row, run: NewRun, dag: Dag) -> Awaitable[asyncpg.Record | None]:
        """Insert a run with the statement that its DAG needs; returns what `trigger` does, None for a collision."""
        if dag.subdag_ids:
            return self._insert_family((values, dag))
        if self._whole.concern(dag):
            return self._whole.make(values, run, dag)
        return self._insert(values)

    async def _prepare(self, run: NewRun) -> tuple[Dag, Row]:
        """Find the DAG and the row to insert. Raises NotFound, BadRequest and Unavailable."""
        dag = self._dags.recent(run.dag_id) or await self._dags.get(run.dag_id)
        judgement = await self._judge(run, dag) if self._settings.generation.checks_runs else _NONE
        try:
            return dag, new_runs.row(run, dag, self._settings, judgement)
        except BadRequest:
            if await self._dags.get(run.dag_id) is not dag:
                # A DAG that was read a while ago must not lead to a refusal.
                return await self._prepare(run)
            new_runs.check_date(run, dag, self._settings, judgement)
            if run.asked.id_given:
                await self._refuse_run_id(run, dag)
            raise

    async def _judge(self, run: NewRun, dag: Dag) -> Judgement:
        """Return what the DAG says about date and conf."""
        conf = run.asked.conf
        return await self._dags.judge(dag, run.execution_date, conf if isinstance(conf, dict) else None)

    async def _insert_many(self, runs: Sequence[Row]) -> Sequence[asyncpg.Record]:
        width = self._trigger_width
        rows = await self._database.fetch_each("trigger", [run[:width] for run in runs], self._settings.revision)
        if rows[0]["migrated"]:
            raise self._database.changed()
        self._announce([row["id"] for row in rows if row["id"] is not None])
        return rows

    async def _insert_one_family(self, families: Sequence[tuple[Row, Dag]]) -> Sequence[asyncpg.Record | None]:
        ((values, dag),) = families
        try:
            dag_ids, more = [dag.dag_id, *dag.subdag_ids], values[1 : self._trigger_width]
            row = await self._database.fetchrow("trigger_family", dag_ids, *more, self._settings.revision)
        except asyncpg.UniqueViolationError:
            return [None]
        if row is None:
            raise await self._dags.unknown(dag.dag_id)
        if row["migrated"]:
            raise self._database.changed()
        self._announce(row["ids"] or [])
        return [row]

    def _warn_of_dag(self, row: asyncpg.Record) -> None:
        if row["is_broken"]:
            warn(_BROKEN[self._settings.standalone])
        if row["is_active"] is False:
            warn(_INACTIVE)
        elif row["is_paused"]:
            warn(_PAUSED)

    async def _refuse_collision(self, run: NewRun, dag: Dag) -> None:
        """Raise BadRequest if another run has the run_id or the date of this run, or of one of its sub-DAGs' runs."""
        for dag_id in [run.dag_id, *dag.subdag_ids]:
            row = await self._find_collision(run, dag_id)
            if row["date_taken"]:
                date, other = run.execution_date.isoformat(), row["run_at_date"] or "None"
                taken = BadRequest(f"Execution date {date} is taken for dag id {dag_id}", code=Code.DATE_TAKEN)
                raise taken.adding(Restricted(f" by run id {other}", ("DAGs", "DAG Runs"), of_the_dag=True))

    async def _refuse_run_id(self, run: NewRun, dag: Dag) -> None:
        """Raise BadRequest if another run has the run_id of this run, or of one of its sub-DAGs' runs."""
        for dag_id in [run.dag_id, *dag.subdag_ids]:
            await self._find_collision(run, dag_id)

    async def _find_collision(self, run: NewRun, dag_id: str) -> asyncpg.Record:
        row = await self._collision((dag_id, run.run_id, run.execution_date))
        if row["run_id_taken"]:
            raise BadRequest(f"Run id {run.run_id} already exists for dag id {dag_id}", code=Code.RUN_EXISTS)
        return row

    async def _find_collisions(self, runs: Sequence[tuple[str, str, datetime]]) -> Sequence[asyncpg.Record]:
        return await self._database.fetch_each("find_collisions", runs)

    async def _read_first_page(self, page: _Page) -> list[asyncpg.Record]:
        return await self._database.fetch(page.statement, *page.arguments)

    async def _read_latest(self, asked: _Latest) -> msgspec.Raw:
        dag_ids = None if asked.readable is None else await self._readable.ids_with_runs(asked.readable)
        name, *more = of_readable(asked.statement, dag_ids)
        return msgspec.Raw(await self._database.fetchval(name, *self._graph_urls, *more))

    async def _read_unfinished(self, readable: Readable | None) -> msgspec.Raw:
        dag_ids = None if readable is None else await self._readable.ids_with_runs(readable)
        return msgspec.Raw(await self._database.fetchval("list_unfinished_runs", *self._graph_urls, dag_ids))
