"""Which runs the schedules of DAGs have: the next ones, or those between two dates."""

from datetime import UTC, datetime

import asyncpg

from server.database.dag import Dag
from server.database.dags import Dags
from server.database.database import Database
from server.database.decoder import Decoder
from server.database.decoding import Malformed
from server.database.next_runs import Planned, Position, Question
from server.database.settings import Settings
from server.database.timetables import Interval
from server.wire.query import NextRunsQuery
from server.wire.shapes import DagDetails, PlannedRun

_NO_SCHEDULE = "The DAG has no schedule"
_NOT_STORED = "The runs of the schedule are not known: the DAG is not serialized in this database"
_NO_MORE = "The schedule has no further run"
_NONE_BETWEEN = "The schedule has no run between these dates"
_SWAPPED = "The first of these dates is after the last one"
_ONLY_AIRFLOW = "Only Airflow itself knows the further runs of this schedule"
_NONE_OR_AIRFLOWS = "The DAG has no schedule, or one whose runs only Airflow itself knows"


class Schedules:
    """Reads where schedules stand; a decoder process finds their runs, because that may take long."""

    def __init__(self, database: Database, settings: Settings, dags: Dags, decoder: Decoder) -> None:
        """Read the schedules of `dags`, in `database`."""
        self._database = database
        self._settings = settings
        self._dags = dags
        self._decoder = decoder

    async def add_to(self, details: DagDetails, asked: NextRunsQuery) -> None:
        """Add the runs that are asked for to the details of a DAG; raises NotFound, Conflict and Unavailable."""
        dag = await self._dags.get(details.dag_id)
        row = await self._database.fetchrow("schedule_position", details.dag_id)
        if row is None:
            raise await self._dags.unknown(details.dag_id)
        if self._settings.standalone and details.timetable_description:
            # There it says why the schedule is not run.
            details.next_runs, details.next_runs_note = [], details.timetable_description
            return
        found = await self._planned(dag, row, asked)
        details.next_runs = [] if isinstance(found, Malformed) else [_shown(one) for one in found.intervals]
        details.next_runs_note = self._note(dag, asked, found)

    async def _planned(self, dag: Dag, row: asyncpg.Record, asked: NextRunsQuery) -> Planned | Malformed:
        planned = _interval(row["next_start"], row["next_end"])
        if dag.serialized is None:
            return Planned([] if planned is None or asked.is_between else [planned], is_known=False)
        position = Position(
            now=row["now"],
            next=planned,
            last=None if row["last_start"] is None else (row["last_start"], row["last_end"]),
            is_open=row["is_open"],
            skips=self._settings.generation.runs_schedules_here,
        )
        window = dag.serialized.bounds.window(catchup_by_default=self._settings.catchup_by_default)
        question = Question(asked.number, asked.is_between, asked.execution_date_gte, asked.execution_date_lte)
        return await self._decoder.planned(dag.serialized, dag.version or "", window, position, question)

    def _note(self, dag: Dag, asked: NextRunsQuery, found: Planned | Malformed) -> str | None:
        """Return why there are no runs, or not all that somebody asked for; None if the list says all."""
        if isinstance(found, Malformed):
            return f"The runs of the schedule cannot be found: {found.reason}"
        if found.is_known:
            return None if found.intervals else _why_none(asked)
        if len(found.intervals) == asked.number:
            return None
        if dag.serialized is None:
            return _NOT_STORED
        if self._settings.standalone:
            return _NO_SCHEDULE
        return _ONLY_AIRFLOW if found.intervals or found.is_schedule else _NONE_OR_AIRFLOWS


def _why_none(asked: NextRunsQuery) -> str:
    first, last = asked.execution_date_gte, asked.execution_date_lte
    if first is not None and last is not None and first > last:
        return _SWAPPED
    return _NONE_BETWEEN if asked.is_between else _NO_MORE


def _interval(start: datetime | None, end: datetime | None) -> Interval | None:
    return None if start is None or end is None else (start, end)


def _shown(interval: Interval) -> PlannedRun:
    start, end = (moment.astimezone(UTC).isoformat() for moment in interval)
    return PlannedRun(execution_date=start, data_interval_start=start, data_interval_end=end, run_after=end)
