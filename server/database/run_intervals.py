"""The data interval of a run that has none in the database: one that somebody triggered, or a backfill made."""

from datetime import datetime

from server.database.encoding import MALFORMED
from server.database.timetables import Interval, Timetable

_BACKFILL = "backfill__"


def is_backfill(run_id: str | None) -> bool:
    """Whether a backfill has made the run with this id."""
    return run_id is not None and run_id.startswith(_BACKFILL)


def interval_of(timetable: Timetable, run_id: str | None, date: datetime) -> Interval:
    """Return the interval of a run: its date twice if the calendar has no other.

    A backfilled run has that of the scheduled run in whose place it is; any other the last full one, as in Airflow.
    """
    try:
        return timetable.scheduled_interval(date) if is_backfill(run_id) else timetable.interval(date)
    except MALFORMED:
        return date, date
