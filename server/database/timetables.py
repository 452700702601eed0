"""Timetables: which runs a DAG's schedule makes and when, and the data interval that a run covers, as Airflow has them.

A timetable is what `serialized_dag` has under `timetable` or `schedule_interval`. Beside an Airflow 2 or 3 it tells the
interval of a run that is triggered; standalone's scheduler also asks it for the next run.
"""

from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

from server.database.cron import Cron

Interval = tuple[datetime, datetime]

Delta = timedelta | relativedelta
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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

    def following(self, run: Interval, window: Window, now: datetime) -> Interval | None:
        """Return the interval of the run after one that this timetable itself has made: one that is later."""
        return self.next_run(run, window, now)

    def resumed(self, planned: Interval, window: Window, now: datetime) -> Interval | None:  # noqa: ARG002
        """Return the planned interval, or a later one where the window or the time that has passed skips it."""
        return planned

    def scheduled_interval(self, date: datetime) -> Interval:
        """Return the data interval of the run that the schedule itself has at a date."""
        return self.interval(date)

    def neighbours(self, date: datetime) -> tuple[datetime | None, datetime | None]:  # noqa: ARG002
        """Return the dates of the runs before and after the one at a date, None where there is none."""
        return None, None


def interval_of(timetable: Timetable, date: datetime, *, by_schedule: bool) -> Interval:
    """Return the data interval of a run at a date: of one that is triggered, or of the schedule's own.

    A backfilled run has the interval of the schedule's own run.
    """
    return timetable.scheduled_interval(date) if by_schedule else timetable.interval(date)


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
        return self._within(window, max(starts)) if starts else None

    def following(self, run: Interval, window: Window, now: datetime) -> Interval | None:
        """Return the interval after that of a run.

        Where the clocks change, the tick at which an interval ends may not be one when it is looked for from there, and
        the last tick before it may be as early as the run itself. That must not lead in a circle.
        """
        found = self.next_run(run, window, now)
        return found if found is None or found[0] > run[0] else self._within(window, run[1])

    def resumed(self, planned: Interval, window: Window, now: datetime) -> Interval | None:
        """Return the planned interval; without catchup the last one that is over, if that is later."""
        earliest = None if window.catchup else self._earliest(window, now)
        return planned if earliest is None or earliest <= planned[0] else self._within(window, earliest)

    def _within(self, window: Window, start: datetime) -> Interval | None:
        """Return the interval that begins at `start`, None if that is after the window or leads nowhere."""
        if window.latest is not None and start > window.latest:
            return None
        interval = self.scheduled_interval(start)
        return interval if interval[0] < interval[1] else None

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
        # Each look asks for the first tick of the same window.
        self._at_or_after = lru_cache(maxsize=1)(cron.at_or_after)

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
        first = None if window.earliest is None else self._at_or_after(window.earliest)
        if window.catchup:
            return first
        newest = self._cron.interval(now)[0]
        return newest if first is None else max(newest, first)


class DeltaIntervals(_Periods):
    """Intervals of one length, from the window's beginning on."""

    def __init__(self, delta: Delta) -> None:
        self.delta = delta

    def interval(self, date: datetime) -> Interval:
        """Return the interval that ends at the moment."""
        end = date.astimezone(UTC)
        return end - self.delta, end

    def _after(self, start: datetime) -> datetime:
        return start.astimezone(UTC) + self.delta

    def _before(self, end: datetime) -> datetime:
        return end.astimezone(UTC) - self.delta

    def _at_or_before(self, date: datetime) -> datetime:
        return date

    def _earliest(self, window: Window, now: datetime) -> datetime | None:
        if window.catchup:
            return window.earliest
        newest = self._newest(now)
        return newest if window.earliest is None else max(newest, window.earliest)

    def _newest(self, now: datetime) -> datetime:
        """Return the beginning of the interval that ends at the last multiple of its length since 1970."""
        return self._before(now.astimezone(UTC) - (now - _EPOCH) % _length(self.delta))


class Events(Moments):
    """The moments in a list."""

    def __init__(self, dates: list[datetime]) -> None:
        self._dates = dates

    def interval(self, date: datetime) -> Interval:
        """Return the last of the moments up to this one."""
        event = max((event for event in self._dates if event <= date), default=self._dates[0])
        return event, event


def fixed_length(delta: Delta) -> timedelta | None:
    """Return how long every interval of a kind is, None if that depends on the calendar."""
    if isinstance(delta, timedelta):
        return delta
    parts = {name: getattr(delta, name) for name in ("days", "hours", "minutes", "seconds", "microseconds")}
    return timedelta(**parts) if delta == relativedelta(**parts) else None


def _length(delta: Delta) -> timedelta:
    """Return how long an interval is, a month having 30 days and a year 365."""
    if isinstance(delta, timedelta):
        return delta
    days = delta.years * 365 + delta.months * 30 + delta.days
    parts = {name: getattr(delta, name) for name in ("hours", "minutes", "seconds", "microseconds")}
    return timedelta(days=days, **parts)
