"""Timetables: which runs a DAG's schedule makes and when, and the data interval that a run covers, as Airflow has them.

A timetable is what `serialized_dag` has under `timetable` or `schedule_interval`. Beside an Airflow 2 or 3 it tells the
interval of a run that is triggered; standalone's scheduler also asks it for the next run.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from dateutil.relativedelta import relativedelta, weekday

from server.database.cron import Cron

Interval = tuple[datetime, datetime]

_PRESETS: Mapping[str, str] = {
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


class Window(NamedTuple):
    """The first and last date that runs of a schedule may have, and whether it makes the runs that it has missed."""

    earliest: datetime | None
    latest: datetime | None
    catchup: bool


class Timetable(ABC):
    """A schedule. Its methods raise OverflowError or ValueError for a moment too close to an end of the calendar."""

    @abstractmethod
    def interval(self, date: datetime) -> Interval:
        """Return the data interval of a run that is triggered at a moment."""

    def next_run(self, last: Interval | None, window: Window, now: datetime) -> Interval | None:  # noqa: ARG002
        """Return the interval of the run after `last` (None: of the first run), None if there is none.

        The run's date is the interval's start, and it is made at the interval's end.
        """
        return None

    def resumed(self, planned: Interval, window: Window, now: datetime) -> Interval | None:  # noqa: ARG002
        """Return the planned interval, or a later one where the window or the time that has passed skips it."""
        return planned

    def scheduled_interval(self, date: datetime) -> Interval:
        """Return the data interval of the run that the schedule itself has at a date."""
        return self.interval(date)

    def neighbours(self, date: datetime) -> tuple[datetime | None, datetime | None]:  # noqa: ARG002
        """Return the dates of the runs before and after the one at a date, None where there is none."""
        return None, None


class Moments(Timetable):
    """No schedule, or one that only a plugin knows: the interval of a run is its own moment."""

    def interval(self, date: datetime) -> Interval:
        """Return the moment twice."""
        return date, date


class Once(Moments):
    """One run, as soon as the window opens."""

    def next_run(self, last: Interval | None, window: Window, now: datetime) -> Interval | None:  # noqa: ARG002
        """Return the window's beginning, whether or not it catches up."""
        first = window.earliest
        if last is not None or first is None or (window.latest is not None and first > window.latest):
            return None
        return first, first


class _Periods(Timetable):
    """One interval after the other."""

    @abstractmethod
    def _after(self, start: datetime) -> datetime:
        """Return where the interval that begins at `start` ends."""

    @abstractmethod
    def _before(self, end: datetime) -> datetime:
        """Return where the interval that ends at `end` begins."""

    @abstractmethod
    def _at_or_before(self, date: datetime) -> datetime:
        """Return the last beginning of an interval up to a date."""

    @abstractmethod
    def _earliest(self, window: Window, now: datetime) -> datetime | None:
        """Return the first beginning within the window; without catchup, that of the last interval that is over."""

    def next_run(self, last: Interval | None, window: Window, now: datetime) -> Interval | None:
        """Return the interval after `last`, or a later one if the window opens later."""
        starts = [] if last is None else [self._at_or_before(last[1])]
        if (earliest := self._earliest(window, now)) is not None:
            starts.append(earliest)
        if not starts or (window.latest is not None and max(starts) > window.latest):
            return None
        start, end = self.scheduled_interval(max(starts))
        return (start, end) if start < end else None

    def resumed(self, planned: Interval, window: Window, now: datetime) -> Interval | None:
        """Return the planned interval; without catchup the last one that is over, if that is later."""
        return planned if window.catchup else self.next_run((planned[0], planned[0]), window, now)

    def scheduled_interval(self, date: datetime) -> Interval:
        """Return the interval that begins at a date."""
        return date, self._after(date)

    def neighbours(self, date: datetime) -> tuple[datetime, datetime]:
        """Return the dates of the runs before and after."""
        return self._before(date), self._after(date)


class CronIntervals(_Periods):
    """From each tick of a cron expression to the next."""

    def __init__(self, cron: Cron) -> None:
        self._cron = cron

    def interval(self, date: datetime) -> Interval:
        """Return the last full interval."""
        return self._cron.interval(date)

    def _after(self, start: datetime) -> datetime:
        return self._cron.after(start)

    def _before(self, end: datetime) -> datetime:
        return self._cron.before(end)

    def _at_or_before(self, date: datetime) -> datetime:
        return self._cron.at_or_before(date)

    def _earliest(self, window: Window, now: datetime) -> datetime | None:
        first = None if window.earliest is None else self._cron.at_or_after(window.earliest)
        if window.catchup:
            return first
        newest = self._cron.interval(now)[0]
        return newest if first is None else max(newest, first)


class DeltaIntervals(_Periods):
    """Intervals of one length, from the window's beginning on."""

    def __init__(self, delta: timedelta | relativedelta) -> None:
        self._delta = delta

    def interval(self, date: datetime) -> Interval:
        """Return the interval that ends at the moment."""
        end = date.astimezone(UTC)
        return end - self._delta, end

    def _after(self, start: datetime) -> datetime:
        return start.astimezone(UTC) + self._delta

    def _before(self, end: datetime) -> datetime:
        return end.astimezone(UTC) - self._delta

    def _at_or_before(self, date: datetime) -> datetime:
        return date

    def _earliest(self, window: Window, now: datetime) -> datetime | None:
        if window.catchup:
            return window.earliest
        newest = self._newest(now)
        return newest if window.earliest is None else max(newest, window.earliest)

    def _newest(self, now: datetime) -> datetime:
        """Return the beginning of the interval that ends at the last multiple of its length since 1970."""
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        length = self._delta if isinstance(self._delta, timedelta) else now + self._delta - now
        return self._before(now.astimezone(UTC) - (now - epoch) % length)


class Before(Timetable):
    """The time before the moment itself; when runs are made is not known here."""

    def __init__(self, delta: timedelta | relativedelta) -> None:
        self._delta = delta

    def interval(self, date: datetime) -> Interval:
        """Return the interval that ends at the moment."""
        end = date.astimezone(UTC)
        return end - self._delta, end


class Events(Moments):
    """The moments in a list."""

    def __init__(self, dates: list[datetime]) -> None:
        self._dates = dates

    def interval(self, date: datetime) -> Interval:
        """Return the last of the moments up to this one."""
        event = max((event for event in self._dates if event <= date), default=self._dates[0])
        return event, event


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
    return CronIntervals(Cron(_PRESETS.get(expression, expression), timezone))


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


def _delta(value: float | Mapping[str, Any]) -> timedelta | relativedelta:
    """Read a number of seconds, or the fields of a relativedelta."""
    if not isinstance(value, Mapping):
        return timedelta(seconds=value)
    fields = {name: amount for name, amount in value.items() if name != "weekday"}
    if day := value.get("weekday"):
        fields["weekday"] = weekday(*day)
    return relativedelta(**fields)


def _before(fields: Mapping[str, Any]) -> Timetable:
    return Before(_delta(fields.get("interval") or 0))


_TIMETABLES: Mapping[str, Callable[[Mapping[str, Any]], Timetable]] = {
    "AssetOrTimeSchedule": lambda fields: _read_timetable(fields["timetable"]),
    "CronDataIntervalTimetable": lambda fields: of_cron(fields["expression"], fields["timezone"]),
    "CronTriggerTimetable": _before,
    "DatasetOrTimeSchedule": lambda fields: _read_timetable(fields["timetable"]),
    "DeltaDataIntervalTimetable": lambda fields: DeltaIntervals(_delta(fields["delta"])),
    "DeltaTriggerTimetable": _before,
    "EventsTimetable": _events,
    "MultipleCronTriggerTimetable": _before,
    "OnceTimetable": lambda _fields: Once(),
}
