"""All that the database says about one run, or about one DAG."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import asyncpg
import msgspec

from server.database.batch import Batcher
from server.database.dags import Dags
from server.database.database import Database
from server.database.decoder import Decoder
from server.database.params import NOTHING_SHOWN
from server.database.run_states import missing_run
from server.database.settings import Settings
from server.errors import Conflict, NotFound, Unavailable, WindsockError
from server.wire.confs import MAX_CONF, ConfAsJson, unread_conf
from server.wire.dag_patterns import Readable
from server.wire.run_names import RunId, RunName
from server.wire.shapes import DagDetails, RunDetails
from windsock.protocol import Code

_DECODED = frozenset({"conf", "conf_error", "task_states"})
_ADDED = frozenset({"next_runs", "next_runs_note", "params", "run_states"})
_OF_A_RUN = tuple(name for name in RunDetails.__struct_fields__ if name not in _DECODED)
_OF_A_DAG = tuple(name for name in DagDetails.__struct_fields__ if name not in _ADDED)
_BACKFILL = "backfill"
_NEEDS_PERMISSION = "REDACTED: this needs can_read on ImportError"
_OF_OTHERS = "REDACTED: this file also has DAGs that you may not read"


class _Key(NamedTuple):
    """A run, with the name of the statement that finds it by this name."""

    statement: str
    dag_id: str
    run: datetime | str


class Details:
    """Reads the tables `dag_run` and `dag`, with what belongs to a row."""

    def __init__(self, database: Database, settings: Settings, dags: Dags, decoder: Decoder) -> None:
        """Read the rows of `database`; `decoder` reads a run's conf."""
        self._database = database
        self._settings = settings
        self._dags = dags
        self._decoder = decoder
        # A conf may be long, so each answer has a statement of its own, and few are read at a time.
        self._find: Batcher[_Key, asyncpg.Record | None] = settings.queue("run_details", self._find_one)

    async def run(self, dag_id: str, run: RunName, *, shows_tasks: bool = True) -> RunDetails:
        """Return all about a run; raises NotFound. Without `shows_tasks` the states of its tasks are left out."""
        name, by = ("run_details_by_id", run.run_id) if isinstance(run, RunId) else ("run_details", run)
        row = await self._find(_Key(name, dag_id, by))
        if row is None:
            raise await self._dags.unknown(dag_id)
        if not row["serialized"]:
            raise NotFound(f"Dag id {dag_id} not found", Code.DAG_NOT_FOUND)
        if row["id"] is None:
            raise missing_run(dag_id, run)
        return await self._details(dag_id, row, shows_tasks=shows_tasks)

    async def known_run(self, dag_id: str, run_id: str) -> RunDetails | None:
        """Return all about a run, also if its DAG has no serialized row; None if there is no such run."""
        row = await self._find(_Key("run_details_by_id", dag_id, run_id))
        return None if row is None or row["id"] is None else await self._details(dag_id, row, shows_tasks=True)

    async def _details(self, dag_id: str, row: asyncpg.Record, *, shows_tasks: bool) -> RunDetails:
        conf = await self._conf(dag_id, row)
        states = msgspec.json.decode(row["task_states"] or "{}", type=dict[str, int]) if shows_tasks else None
        known = {name: row[name] for name in _OF_A_RUN}
        details = RunDetails(**known, conf=conf.json, conf_error=conf.error, task_states=states)
        if self._settings.generation.runs_schedules_here and details.data_interval_end is None:
            await self._add_interval(details)
        return details

    async def _add_interval(self, details: RunDetails) -> None:
        """Tell the data interval that the tasks of a run see, of which standalone stores only a scheduled one's."""
        try:
            date = datetime.fromisoformat(details.execution_date or "")
            dag = await self._dags.get(details.dag_id)
        except (ValueError, Conflict, NotFound, Unavailable):
            return
        if dag.serialized is None:
            return
        by_schedule = details.run_type == _BACKFILL
        found = await self._decoder.interval(dag.serialized, dag.version or "", date, by_schedule=by_schedule)
        if not isinstance(found, WindsockError):
            start, end = (moment.astimezone(UTC).isoformat() for moment in found)
            details.data_interval_start, details.data_interval_end = start, end

    async def dag(
        self, dag_id: str, readable: Readable | None = None, *, shows_errors: bool = True, shows_runs: bool = True
    ) -> DagDetails:
        """Return all about a DAG; raises NotFound.

        An import error is shown with `shows_errors` only, and if all DAGs of the file are `readable` (None: all are).
        """
        row = await self._database.fetchrow("dag_details", dag_id)
        if row is None:
            raise await self._dags.unknown(dag_id)
        states = msgspec.json.decode(row["run_states"], type=dict[str, int]) if shows_runs else None
        shown_params = await self._params(dag_id)
        details = DagDetails(**{name: row[name] for name in _OF_A_DAG}, run_states=states, params=shown_params)
        if details.import_error is not None:
            if not shows_errors:
                details.import_error = _NEEDS_PERMISSION
            elif readable is not None and not await self._dags.readable.is_whole_file(dag_id, readable):
                details.import_error = _OF_OTHERS
        return details

    async def _params(self, dag_id: str) -> msgspec.Raw:
        """Return the DAG's params; null if its serialized row is not there, or cannot be read."""
        try:
            known = (await self._dags.get(dag_id)).serialized
        except (Conflict, NotFound, Unavailable):
            known = None
        return msgspec.Raw(known.shown_params if known else NOTHING_SHOWN)

    async def _conf(self, dag_id: str, row: asyncpg.Record) -> ConfAsJson:
        if not row["has_conf"]:
            return ConfAsJson()
        if row["conf"] is None:
            return unread_conf()
        return await self._decoder.conf(dag_id, row["conf"], is_pickle=self._settings.generation.pickles_conf)

    async def _find_one(self, keys: Sequence[_Key]) -> Sequence[asyncpg.Record | None]:
        ((statement, dag_id, run),) = keys
        url = self._settings.run_url(dag_id)
        return [await self._database.fetchrow(statement, dag_id, run, url, MAX_CONF)]
