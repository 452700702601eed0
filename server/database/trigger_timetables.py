"""Timetables whose runs are made at a tick and cover the time before it, by default none: Airflow's triggers."""

from abc import abstractmethod
from datetime import UTC, datetime

from server.database.cron import Cron
from server.database.timetables import Delta, Interval, Timetable, Window


class Before(Timetable):
    """The time before the moment itself; when runs are made is not known here."""

    def __init__(self, length: Delta) -> None:
        self._length = length

    def interval(self, date: datetime) -> Interval:
        """Return the interval that ends at the moment."""
        end = date.astimezone(UTC)
        return end - self._length, end


class _Triggers(Before):
    """Runs at ticks, each of which covers the time before its tick."""

    @abstractmethod
    def _after(self, tick: datetime) -> datetime:
        """Return the tick after another one."""

    @abstractmethod
    def _at_or_after(self, date: datetime) -> datetime:
        """Return the first tick from a moment on."""

    @abstractmethod
    def _at_or_before(self, date: datetime) -> datetime:
        """Return the last tick up to a moment."""

    def next_run(self, last: Interval | None, window: Window, now: datetime) -> Interval | None:
        """Return the interval of the first tick after that of `last`; without catchup, of no tick before the newest."""
        ticks = [] if last is None else [self._after(last[1])]
        if window.earliest is not None and not (ticks and window.catchup):
            ticks.append(self._at_or_after(window.earliest))
        if not window.catchup:
            ticks.append(self._at_or_before(now))
        if not ticks or (last is not None and max(ticks) <= last[1]):
            return None
        return self._within(window, max(ticks))

    def resumed(self, planned: Interval, window: Window, now: datetime) -> Interval | None:
        """Return the planned interval; without catchup that of the newest tick, if others have been missed."""
        if window.catchup or self._after(planned[1]) > now:
            return planned
        return self._within(window, self._at_or_before(now))

    def scheduled_interval(self, date: datetime) -> Interval:
        """Return the interval that begins at a date."""
        start = date.astimezone(UTC)
        return start, start + self._length

    def neighbours(self, date: datetime) -> tuple[None, datetime]:
        """Return the date of the run after; Airflow does not say what is before."""
        return None, self.interval(self._after(self.scheduled_interval(date)[1]))[0]

    def _within(self, window: Window, tick: datetime) -> Interval | None:
        return None if window.latest is not None and tick > window.latest else self.interval(tick)


class CronTriggers(_Triggers):
    """At the ticks of a cron expression."""

    def __init__(self, cron: Cron, length: Delta) -> None:
        super().__init__(length)
        self._cron = cron

    def _after(self, tick: datetime) -> datetime:
        return self._cron.after(tick)

    def _at_or_after(self, date: datetime) -> datetime:
        return self._cron.at_or_after(date)

    def _at_or_before(self, date: datetime) -> datetime:
        return self._cron.at_or_before(date)


class DeltaTriggers(_Triggers):
    """At a moment, and always so much later."""

    def __init__(self, delta: Delta, length: Delta) -> None:
        super().__init__(length)
        self.delta = delta

    def _after(self, tick: datetime) -> datetime:
        return tick.astimezone(UTC) + self.delta

    def _at_or_after(self, date: datetime) -> datetime:
        return date

    def _at_or_before(self, date: datetime) -> datetime:
        return date
