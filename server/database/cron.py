"""The ticks of a cron expression in a time zone, including daylight saving time, as Airflow computes them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pendulum
from croniter import croniter
from pendulum.tz.timezone import FixedTimezone, Timezone

_DAY = timedelta(days=1)
_SHORT = timedelta(days=8)


class Cron:
    """A cron expression in a time zone: an IANA name, or an offset in seconds.

    An expression with ticks in every hour keeps its pace when the clocks change. Any other follows the clock on the
    wall: in an hour that comes twice it takes the second, and a skipped time moves forward.
    """

    def __init__(self, expression: str, timezone: str | int) -> None:
        """Raises ValueError for an expression or a time zone that cannot be read."""
        self._zone: Timezone | FixedTimezone = pendulum.timezone(timezone)
        # Reading the expression takes longer than finding a tick.
        self._ticks = croniter(expression)
        self._hourly = self._ticks.expanded[1] == ["*"]
        self._recent: tuple[datetime, datetime, datetime] | None = None

    def after(self, moment: datetime) -> datetime:
        """Return the first tick after `moment`."""
        return self._tick(moment, backwards=False)

    def before(self, moment: datetime) -> datetime:
        """Return the last tick before `moment`."""
        return self._tick(moment, backwards=True)

    def at_or_before(self, moment: datetime) -> datetime:
        """Return the last tick up to a moment."""
        return self._nearest(moment, self.before(moment), self.after)

    def at_or_after(self, moment: datetime) -> datetime:
        """Return the first tick from a moment on."""
        return self._nearest(moment, self.after(moment), self.before)

    def interval(self, moment: datetime) -> tuple[datetime, datetime]:
        """Return the last two ticks up to and including `moment`: the last full period."""
        if self._recent is not None and self._recent[1] <= moment < self._recent[2]:
            return self._recent[:2]
        end = self.before(moment)
        following = self.after(end)
        if following == moment:
            end, following = moment.astimezone(UTC), self.after(moment)
        start = self.before(end)
        if self._steady(start, following):
            self._recent = start, end, following
        return start, end

    @staticmethod
    def _nearest(moment: datetime, other: datetime, back: Callable[[datetime], datetime]) -> datetime:
        """Return the moment itself if it is a tick, the one to which the tick on that side leads back."""
        return moment.astimezone(UTC) if back(other) == moment else other

    def _steady(self, start: datetime, end: datetime) -> bool:
        """Whether the clocks do not change: then all moments of a period have the same answer.

        In a longer time they may change and change back.
        """
        return end - start <= _SHORT and self._offset(start - _DAY) == self._offset(start) == self._offset(
            end
        ) == self._offset(end + _DAY)

    def _offset(self, moment: datetime) -> timedelta | None:
        return moment.astimezone(self._zone).utcoffset()

    def _tick(self, moment: datetime, *, backwards: bool) -> datetime:
        wall = moment.astimezone(self._zone).replace(tzinfo=None)
        find = self._ticks.get_prev if backwards else self._ticks.get_next
        found: datetime = find(datetime, start_time=wall)
        if self._hourly:
            return moment.astimezone(UTC) + (found - wall)
        return self._zone.convert(found.replace(fold=1)).astimezone(UTC)
