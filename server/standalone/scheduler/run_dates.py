"""The dates of a run that templates and functions know: its data interval, and the runs before and after it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import asyncpg

from server.database.encoding import MALFORMED
from server.database.timetables import Interval, Moments, Timetable, interval_of
from server.standalone.scheduler.graph import Graph

_BACKFILL = "backfill"
_OF_SUCCESS = {
    "prev_execution_date_success": "execution_date",
    "prev_start_date_success": "start_date",
    "prev_end_date_success": "end_date",
}


def dates_of_run(graph: Graph, row: asyncpg.Record) -> dict[str, datetime | None]:
    """Return the dates under Airflow's names; `row` is one of `Store.own_tries`.

    For a run that somebody triggered, `prev_execution_date` and `next_execution_date` are its own date, as in Airflow.
    """
    timetable = graph.schedule.timetable if graph.schedule else Moments()
    date = row["execution_date"].astimezone(UTC)
    stored = row["data_interval_start"], row["data_interval_end"]
    by_schedule = None not in stored or row["run_type"] == _BACKFILL
    start, end = stored if None not in stored else _interval(timetable, date, row["run_type"])
    before, after = _neighbours(timetable, date) if by_schedule else (date, date)
    dates = {"execution_date": date, "logical_date": date, "data_interval_start": start, "data_interval_end": end,
             "prev_execution_date": before, "next_execution_date": after}  # fmt: skip
    return dates | _dates_before(timetable, {name.removeprefix("prev_"): value for name, value in row.items()
                                             if name.startswith("prev_")})  # fmt: skip


def _dates_before(timetable: Timetable, row: Mapping[str, Any]) -> dict[str, datetime | None]:
    """Return the dates of the last successful run before this one, all of them None if there is none."""
    interval: tuple[datetime | None, datetime | None] = row["data_interval_start"], row["data_interval_end"]
    if None in interval and row["execution_date"] is not None:
        interval = _interval(timetable, row["execution_date"], row["run_type"])
    return {name: row[column] for name, column in _OF_SUCCESS.items()} | {
        "prev_data_interval_start_success": interval[0],
        "prev_data_interval_end_success": interval[1],
    }


def _interval(timetable: Timetable, date: datetime, run_type: str) -> Interval:
    """Return the interval of a run that has none in its row."""
    try:
        return interval_of(timetable, date, by_schedule=run_type == _BACKFILL)
    except MALFORMED:
        return date, date


def _neighbours(timetable: Timetable, date: datetime) -> tuple[datetime | None, datetime | None]:
    try:
        return timetable.neighbours(date)
    except MALFORMED:
        return None, None
