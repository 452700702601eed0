"""Runs of Airflow 3 that are more than a row of `dag_run`: with task instances, deadlines and the version of a bundle.

Airflow's own API writes these rows with every run. Most runs do not need them here, because the scheduler makes the
task instances. But it makes none for a run that is pinned to a version of its bundle, and nobody else makes deadlines.
"""

import asyncio
import getpass
import json
import pickle
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg
import msgspec

from server.database import deadlines, instances
from server.database.batch import Batcher
from server.database.connections import Connection
from server.database.dag import Dag
from server.database.database import Database, json_column
from server.database.deadlines import Alert
from server.database.encoding import MALFORMED, OnlyAirflowError
from server.database.new_runs import NewRun, Row
from server.database.prepared import PreparedDag
from server.database.settings import Settings
from server.errors import Conflict
from server.wire.warning_header import warn
from windsock.protocol import Code

_LONGEST_ALERT = 2**16
_NO_CONFIG = pickle.dumps({}, protocol=5)


class DagChangedError(Exception):
    """The DAG has changed since the run was prepared; nothing was made."""


class _Request(NamedTuple):
    """A run to be made: the arguments of the statement `trigger`, and the other rows."""

    row: Row
    run: NewRun
    dag: Dag


class _Instances(NamedTuple):
    """The task instances of a run: their number and their rows as a JSON array, or why there are none."""

    number: int = 0
    rows: str = "[]"
    reason: str = ""


class _Made(NamedTuple):
    """What the statement `trigger` returned, why some deadlines were not made, and why there are no task instances."""

    row: asyncpg.Record
    without: Sequence[str] = ()
    reason: str = ""


class WholeRuns:
    """Makes each such run in a transaction of its own."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Make runs in `database`."""
        self._database = database
        self._settings = settings
        self._unixname = getpass.getuser()
        self._make: Batcher[_Request, _Made] = settings.queue("trigger_whole", self._make_many)

    def concern(self, dag: Dag) -> bool:
        """Whether runs of that DAG are of this kind."""
        if not self._settings.generation.has_bundles or dag.serialized is None:
            return False
        return self._is_pinned(dag) or self._settings.task_instances == "always" or dag.serialized.has_deadlines

    async def make(self, row: Row, run: NewRun, dag: Dag) -> asyncpg.Record:
        """Make a run; return what the statement `trigger` returns. Raises DagChangedError.

        A warning says what Airflow would have written but is not there.
        """
        made = await self._make(_Request(row, run, dag))
        if made.row["id"] is not None:
            if made.reason and self._is_pinned(dag):
                warn(f"This run is not pinned to a version of its bundle: {made.reason}")
            elif made.reason:
                warn(f"The task instances of this run come with Airflow's scheduler: {made.reason}")
            if made.without:
                warn(f"Deadlines of this run that only Airflow itself can make: {'; '.join(made.without)}")
        return made.row

    def _is_pinned(self, dag: Dag) -> bool:
        known = dag.serialized
        wanted = self._settings.task_instances != "never"
        return wanted and dag.has_bundle_version and known is not None and not known.follows_bundle

    async def _instances(self, run: NewRun, dag: Dag) -> _Instances:
        known = dag.serialized
        if known is None or not (self._is_pinned(dag) or self._settings.task_instances == "always"):
            return _Instances()
        if known.only_airflow:
            return _Instances(reason=known.only_airflow)
        # Thousands of rows take a while; meanwhile others are served.
        return await asyncio.to_thread(_instances_at, known, run.execution_date)

    async def _make_many(self, requests: Sequence[_Request]) -> Sequence[_Made]:
        try:
            return [await self._make_one(request) for request in requests]
        except asyncpg.DataError as error:
            dag_id = requests[0].dag.dag_id
            message = f"The task instances or deadlines of dag {dag_id} cannot be stored: see its file"
            raise Conflict(message, Code.DAG_NOT_READABLE) from error

    async def _make_one(self, request: _Request) -> _Made:
        statements = self._database.statements
        # Not before its turn: the rows of thousands of waiting runs would fill the memory.
        found = await self._instances(request.run, request.dag)
        row = request.row
        if found.number and self._is_pinned(request.dag):
            row = row._replace(is_pinned=True)
        async with self._database.transaction() as connection:
            columns = [json_column([value]) for value in row]
            (made,) = await connection.fetch(statements["trigger"], *columns, self._settings.revision)
            if made["migrated"]:
                raise self._database.changed()
            if made["id"] is None:
                return _Made(made)
            if found.number:
                await self._add_instances(connection, made["id"], request.dag, found)
            return _Made(made, await self._add_deadlines(connection, made["id"], request), found.reason)

    async def _add_instances(self, connection: Connection, run: int, dag: Dag, found: _Instances) -> None:
        """Add them all, or raise DagChangedError if the DAG has changed since."""
        arguments = (run, found.rows, dag.version, self._unixname, _NO_CONFIG)
        added = await connection.fetchval(self._database.statements["add_task_instances"], *arguments)
        if added != found.number:
            raise DagChangedError

    async def _add_deadlines(self, connection: Connection, run: int, request: _Request) -> Sequence[str]:
        """Add the deadlines that can be made; return why the others cannot."""
        known, statements = request.dag.serialized, self._database.statements
        # After a downgrade to 3.0 the DAG may still have deadlines, but that Airflow has no such rows.
        names = [name for name in ("add_deadlines", "add_deadlines_of_3_1") if name in statements]
        if known is None or not known.has_deadlines or not names:
            return ()
        if "deadline_alerts" in statements:
            alerts, reasons = _read(await connection.fetch(statements["deadline_alerts"], run, _LONGEST_ALERT))
        else:
            alerts, reasons = _read_serialized(known.deadlines)
        rows, more = deadlines.rows_of(alerts, request.run.dag_id, request.run.execution_date)
        if rows:
            await connection.execute(statements[names[0]], run, f"[{','.join(rows)}]")
        return [*reasons, *more]


def _instances_at(dag: PreparedDag, date: datetime) -> _Instances:
    try:
        rows = instances.rows_at(dag.instances(), date)
    except OnlyAirflowError as error:
        return _Instances(reason=str(error))
    return _Instances(len(rows), json.dumps([{"id": str(deadlines.uuid7()), **one} for one in rows]))


def _read(records: Sequence[asyncpg.Record]) -> tuple[list[Alert], list[str]]:
    alerts: list[Alert] = []
    reasons: list[str] = []
    for record in records:
        try:
            read = {name: msgspec.json.decode(record[name] or "null") for name in ("reference", "seconds", "callback")}
            read["interval"] = read.pop("seconds")
            alerts.append(msgspec.convert({"id": record["id"], **read}, Alert))
        except (msgspec.MsgspecError, *MALFORMED):
            reasons.append("it is not stored as Airflow does it")
    return alerts, reasons


def _read_serialized(stored: bytes) -> tuple[list[Alert], list[str]]:
    try:
        if len(stored) <= _LONGEST_ALERT:
            return deadlines.alerts_of(stored), []
    except (msgspec.MsgspecError, *MALFORMED):
        pass
    return [], ["they are not serialized as Airflow does it"]
