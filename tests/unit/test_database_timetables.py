"""Data intervals, as Airflow's own timetables answered them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from server.database import timetable_reader
from server.database.cron import Cron


def _cron(expression: str, timezone: str | int = "UTC") -> dict[str, Any]:
    name = "airflow.timetables.interval.CronDataIntervalTimetable"
    return {"timetable": {"__type": name, "__var": {"expression": expression, "timezone": timezone}}}


def _timetable(name: str, **fields: object) -> dict[str, Any]:
    return {"timetable": {"__type": f"airflow.timetables.{name}", "__var": fields}}


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


E = "2024-03-05T12:34:56"
CASES = [
    ({}, E, E, E),
    ({"schedule_interval": None}, E, E, E),
    ({"schedule_interval": "@once"}, E, E, E),
    ({"schedule_interval": "Dataset"}, E, E, E),
    ({"schedule_interval": "@daily"}, E, "2024-03-04", "2024-03-05"),
    ({"schedule_interval": "@daily"}, "2024-03-06", "2024-03-05", "2024-03-06"),
    ({"schedule_interval": "@hourly"}, "2024-03-05", "2024-03-04T23:00", "2024-03-05"),
    ({"schedule_interval": "@daily", "timezone": "Europe/Berlin"}, E, "2024-03-03T23:00", "2024-03-04T23:00"),
    ({"schedule_interval": 3600}, E, "2024-03-05T11:34:56", E),
    ({"schedule_interval": {"__type": "timedelta", "__var": 3600.0}}, E, "2024-03-05T11:34:56", E),
    ({"schedule_interval": {"__type": "relativedelta", "__var": {"months": 1}}}, E, "2024-02-05T12:34:56", E),
    (_cron("0 3 * * *"), "2024-03-06T02:00", "2024-03-04T03:00", "2024-03-05T03:00"),
    (_cron("0 3 * * *", 3600), "2024-03-06T02:00", "2024-03-05T02:00", "2024-03-06T02:00"),
    (_cron("0 3 * * *", "Europe/Berlin"), "2024-03-31T12:00", "2024-03-30T02:00", "2024-03-31T01:00"),
    (_cron("30 2 * * *", "Europe/Berlin"), "2024-10-27T03:00", "2024-10-26T00:30", "2024-10-27T01:30"),
    (_cron("30 * * * *", "Europe/Berlin"), "2024-10-27T01:00", "2024-10-26T23:30", "2024-10-27T00:30"),
    (_timetable("trigger.CronTriggerTimetable", expression="0 3 * * *", timezone="UTC", interval=0), E, E, E),
    (_timetable("trigger.CronTriggerTimetable", interval=60), E, "2024-03-05T12:33:56", E),
    (_timetable("trigger.MultipleCronTriggerTimetable", interval={"days": 1}), E, "2024-03-04T12:34:56", E),
    (_timetable("interval.DeltaDataIntervalTimetable", delta=60.0), E, "2024-03-05T12:33:56", E),
    (_timetable("simple.NullTimetable"), E, E, E),
    (_timetable("datasets.DatasetOrTimeSchedule", **_cron("@daily")), E, "2024-03-04", "2024-03-05"),
    (_timetable("events.EventsTimetable", event_dates=["2024-03-01T00:00:00+00:00"], restrict_to_events=True), E,
     "2024-03-01", "2024-03-01"),
    (_timetable("events.EventsTimetable", event_dates=["2025-03-01T00:00:00+00:00"], restrict_to_events=True), E,
     "2025-03-01", "2025-03-01"),
    (_timetable("events.EventsTimetable", event_dates=["2025-03-01T00:00:00+00:00"], restrict_to_events=False),
     E, E, E),
    ({"timetable": {"__type": "of_a_plugin.CronDataIntervalTimetable", "__var": {}}}, E, E, E),
]  # fmt: skip


@pytest.mark.parametrize(("dag", "moment", "start", "end"), CASES)
def test_the_interval_of_a_moment(dag: dict[str, Any], moment: str, start: str, end: str) -> None:
    """Presets, crons, deltas and triggers, in the DAG's time zone."""
    assert timetable_reader.read(dag).interval(_at(moment)) == (_at(start), _at(end))


def test_presets_may_be_moments() -> None:
    """Where an Airflow 2 makes no data intervals of crons."""
    assert timetable_reader.read({"schedule_interval": "@daily"}, cron_intervals=False).interval(_at(E)) == (
        _at(E),
        _at(E),
    )


def test_what_is_remembered_changes_no_answer() -> None:
    """A cron asked in any order answers as a new one does, through changes of the clocks too."""
    for zone in ("UTC", "Europe/Berlin", "Australia/Lord_Howe"):
        for expression in ("0 3 * * *", "*/30 * * * *", "0 */6 * * *"):
            old = Cron(expression, zone)
            for day in range(1, 31):
                for month in (3, 4, 10):
                    moment = datetime(2024, month, day, day % 24, month * 5, tzinfo=UTC)
                    assert old.interval(moment) == Cron(expression, zone).interval(moment), (zone, expression, moment)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "9999-12-31T23:59:59"])
@pytest.mark.parametrize("schedule", ["@daily", "@yearly", 86400 * 400])
def test_the_ends_of_the_calendar(text: str, schedule: object) -> None:
    """There is an interval, or one of the two errors that callers know."""
    try:
        start, end = timetable_reader.read({"schedule_interval": schedule, "timezone": "Asia/Tokyo"}).interval(
            _at(text)
        )
    except (OverflowError, ValueError):
        return
    assert start <= end <= _at(text)
