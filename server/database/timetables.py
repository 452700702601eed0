"""Data intervals: the span of time that a run of Airflow 2 or 3 covers, as its DAG's timetable defines it.

A timetable is what `serialized_dag` has under `timetable` or, in 2.x, `schedule_interval`. For a run that is
triggered at a moment it returns the interval that Airflow itself would write.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from dateutil.relativedelta import relativedelta, weekday

from server.database.cron import Cron

Interval = tuple[datetime, datetime]
Timetable = Callable[[datetime], Interval]

_PRESETS: Mapping[str, str] = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
}
# Words that 2.x stores as `schedule_interval` for schedules without times.
_TIMELESS = frozenset({"@once", "@continuous", "Dataset"})


# Five plain fields. If a day does not exist in every month, the search for it may go on for decades.
_CHEAP_CRON = re.compile(r"[\d*/,A-Za-z-]{1,30}(?: [\d*/,A-Za-z-]{1,30}){4}", re.ASCII)
_RARE_DAY = re.compile(r"29|3\d", re.ASCII)


def is_cheap(dag: Mapping[str, Any]) -> bool:
    """Whether the timetable that `read` makes certainly answers within a few milliseconds."""
    encoded = dag.get("timetable", dag.get("schedule_interval"))
    if isinstance(encoded, dict):
        fields = encoded.get("__var")
        if not isinstance(fields, dict):
            return True
        if "timetable" in fields:
            return is_cheap(fields)
        encoded = fields.get("expression")
    if not isinstance(encoded, str) or encoded.startswith("@"):
        return True
    return _CHEAP_CRON.fullmatch(encoded) is not None and not _RARE_DAY.search(encoded.split(" ")[2])


def read(dag: Mapping[str, Any], *, cron_intervals: bool = True) -> Timetable:
    """Make the timetable of a serialized DAG (its `dag` object).

    `cron_intervals` is `[scheduler] create_cron_data_intervals` of an Airflow 2, on which its presets depend. If only a
    plugin's own code knows the timetable, the interval is a moment. Calling the result raises OverflowError or
    ValueError for a moment too close to an end of the calendar.
    """
    if isinstance(encoded := dag.get("timetable"), dict):
        return _read_timetable(encoded)
    return _read_schedule(dag.get("schedule_interval"), str(dag.get("timezone") or "UTC"), cron_intervals)


def _moment(date: datetime) -> Interval:
    return date, date


def _before(delta: timedelta | relativedelta) -> Timetable:
    def interval(date: datetime) -> Interval:
        end = date.astimezone(UTC)
        return end - delta, end

    return interval


def _read_schedule(schedule: object, timezone: str, cron_intervals: bool) -> Timetable:  # noqa: FBT001 - private
    if isinstance(schedule, str) and schedule not in _TIMELESS:
        return Cron(_PRESETS.get(schedule, schedule), timezone).interval if cron_intervals else _moment
    if isinstance(schedule, int | float):
        return _before(timedelta(seconds=schedule))
    if isinstance(schedule, dict) and isinstance(schedule.get("__var"), int | float | dict):
        return _before(_delta(schedule["__var"]))
    return _moment


def _read_timetable(encoded: Mapping[str, Any]) -> Timetable:
    name = str(encoded.get("__type", ""))
    fields = encoded.get("__var") or {}
    make = _TIMETABLES.get(name.rpartition(".")[2]) if name.startswith("airflow.timetables.") else None
    return make(fields) if make else _moment


def _cron(fields: Mapping[str, Any]) -> Timetable:
    return Cron(_PRESETS.get(fields["expression"], fields["expression"]), fields["timezone"]).interval


def _events(fields: Mapping[str, Any]) -> Timetable:
    dates = sorted(datetime.fromisoformat(text) for text in fields.get("event_dates", ()))
    if not fields.get("restrict_to_events") or not dates:
        return _moment
    return lambda date: _moment(max((event for event in dates if event <= date), default=dates[0]))


def _delta(value: float | Mapping[str, Any]) -> timedelta | relativedelta:
    """Read a number of seconds, or the fields of a relativedelta."""
    if not isinstance(value, Mapping):
        return timedelta(seconds=value)
    fields = {name: amount for name, amount in value.items() if name != "weekday"}
    if day := value.get("weekday"):
        fields["weekday"] = weekday(*day)
    return relativedelta(**fields)


_TIMETABLES: Mapping[str, Callable[[Mapping[str, Any]], Timetable]] = {
    "AssetOrTimeSchedule": lambda fields: _read_timetable(fields["timetable"]),
    "CronDataIntervalTimetable": _cron,
    "CronTriggerTimetable": lambda fields: _before(_delta(fields.get("interval") or 0)),
    "DatasetOrTimeSchedule": lambda fields: _read_timetable(fields["timetable"]),
    "DeltaDataIntervalTimetable": lambda fields: _before(_delta(fields["delta"])),
    "DeltaTriggerTimetable": lambda fields: _before(_delta(fields.get("interval") or 0)),
    "EventsTimetable": _events,
    "MultipleCronTriggerTimetable": lambda fields: _before(_delta(fields.get("interval") or 0)),
}
