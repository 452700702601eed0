"""Reads the schedules of serialized DAGs, as Airflow and Windsock write them, into timetables."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from dateutil.relativedelta import relativedelta, weekday

from server.database.cron import Cron
from server.database.timetables import CronIntervals, Delta, DeltaIntervals, Events, Moments, Once, Timetable
from server.database.trigger_timetables import Before, CronTriggers, DeltaTriggers

PRESETS: Mapping[str, str] = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
}
ONCE = "@once"
# Words that 2.x stores as `schedule_interval` for schedules without times.
_TIMELESS = frozenset({"@continuous", "Dataset"})

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
    plugin's own code knows the timetable, the interval of a run is a moment. Raises one of MALFORMED.
    """
    if isinstance(encoded := dag.get("timetable"), dict):
        return _read_timetable(encoded)
    timezone = dag.get("timezone") or "UTC"
    timezone = timezone if isinstance(timezone, int) else str(timezone)
    return _read_schedule(dag.get("schedule_interval"), timezone, cron_intervals)


def of_cron(expression: str, timezone: str | int) -> CronIntervals:
    """Make the timetable of a cron expression or preset. Raises ValueError."""
    return CronIntervals(_cron(expression, timezone))


def _cron(expression: str, timezone: str | int) -> Cron:
    return Cron(PRESETS.get(expression, expression), timezone)


def _read_schedule(schedule: object, timezone: str | int, cron_intervals: bool) -> Timetable:  # noqa: FBT001 - private
    if schedule == ONCE:
        return Once()
    if isinstance(schedule, str) and schedule not in _TIMELESS:
        return of_cron(schedule, timezone) if cron_intervals else Moments()
    if isinstance(schedule, int | float):
        return DeltaIntervals(timedelta(seconds=schedule))
    if isinstance(schedule, dict) and isinstance(schedule.get("__var"), int | float | dict):
        return DeltaIntervals(_delta(schedule["__var"]))
    return Moments()


def _read_timetable(encoded: Mapping[str, Any]) -> Timetable:
    name = str(encoded.get("__type", ""))
    fields = encoded.get("__var") or {}
    make = _TIMETABLES.get(name.rpartition(".")[2]) if name.startswith("airflow.timetables.") else None
    return make(fields) if make else Moments()


def _events(fields: Mapping[str, Any]) -> Timetable:
    dates = sorted(datetime.fromisoformat(text) for text in fields.get("event_dates", ()))
    return Events(dates) if fields.get("restrict_to_events") and dates else Moments()


def _delta(value: float | Mapping[str, Any]) -> Delta:
    """Read a number of seconds, or the fields of a relativedelta."""
    if not isinstance(value, Mapping):
        return timedelta(seconds=value)
    fields = {name: amount for name, amount in value.items() if name != "weekday"}
    if day := value.get("weekday"):
        fields["weekday"] = weekday(*day)
    return relativedelta(**fields)


def _before(fields: Mapping[str, Any]) -> Timetable:
    return Before(_covered(fields))


def _cron_triggers(fields: Mapping[str, Any]) -> Timetable:
    # Without its expression it still has intervals.
    if "expression" not in fields:
        return _before(fields)
    return CronTriggers(_cron(fields["expression"], fields["timezone"]), _covered(fields))


def _delta_triggers(fields: Mapping[str, Any]) -> Timetable:
    return DeltaTriggers(_delta(fields["delta"]), _covered(fields)) if "delta" in fields else _before(fields)


def _covered(fields: Mapping[str, Any]) -> Delta:
    """Return how long the intervals of a trigger are."""
    return _delta(fields.get("interval") or 0)


_TIMETABLES: Mapping[str, Callable[[Mapping[str, Any]], Timetable]] = {
    "AssetOrTimeSchedule": lambda fields: _read_timetable(fields["timetable"]),
    "CronDataIntervalTimetable": lambda fields: of_cron(fields["expression"], fields["timezone"]),
    "CronTriggerTimetable": _cron_triggers,
    "DatasetOrTimeSchedule": lambda fields: _read_timetable(fields["timetable"]),
    "DeltaDataIntervalTimetable": lambda fields: DeltaIntervals(_delta(fields["delta"])),
    "DeltaTriggerTimetable": _delta_triggers,
    "EventsTimetable": _events,
    "MultipleCronTriggerTimetable": _before,
    "OnceTimetable": lambda _fields: Once(),
}
