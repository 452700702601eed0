"""The next runs of a DAG's schedule, or those that it has between two dates: plain functions of its position."""

from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from server.database.encoding import MALFORMED
from server.database.timetables import DeltaIntervals, Interval, Moments, Once, Timetable, Window, fixed_length
from server.database.trigger_timetables import DeltaTriggers


class Position(msgspec.Struct, array_like=True):
    """Where a schedule stands."""

    now: datetime
    next: Interval | None
    """The next run, as its scheduler has planned it."""
    last: tuple[datetime, datetime | None] | None
    """The newest run that the schedule has made; the end may be unknown."""
    is_open: bool
    """Whether nobody has planned the next run yet, so that it follows from the newest one."""
    skips: bool
    """Whether its scheduler looks again, when the planned run is made, what the time that has passed skips."""


class Question(msgspec.Struct, array_like=True):
    """How many runs of a schedule somebody asks for; with dates, those between them (each None: without limit)."""

    number: int
    is_between: bool = False
    since: datetime | None = None
    until: datetime | None = None


class Planned(NamedTuple):
    """The data intervals of runs; whether there is a schedule, and whether Windsock knows which runs follow."""

    intervals: list[Interval]
    is_known: bool
    is_schedule: bool = True


def planned_runs(timetable: Timetable, window: Window, position: Position, asked: Question) -> Planned:
    """Return what is asked for, fewer runs if the schedule has no more; raises one of MALFORMED."""
    if asked.is_between:
        start = window.earliest
        window = Window(_later(start, asked.since), _earlier(window.latest, asked.until), catchup=True)
        # The one run of `@once` is at the very start.
        is_over = isinstance(timetable, Once) and window.earliest != start
        following = None if is_over else _first_between(timetable, window, position, start)
    else:
        following = _first(timetable, window, position)
    found: list[Interval] = []
    while following is not None and len(found) < asked.number:
        found.append(following)
        try:
            following = timetable.following(following, window, position.now)
        except MALFORMED:
            # The calendar ends, or the schedule has no further tick.
            break
    is_known = type(timetable).next_run is not Timetable.next_run
    return Planned(found, is_known, is_schedule=type(timetable) is not Moments)


def _first(timetable: Timetable, window: Window, position: Position) -> Interval | None:
    if position.next is not None:
        return timetable.resumed(position.next, window, position.now) if position.skips else position.next
    if not position.is_open:
        return None
    return timetable.next_run(_last(timetable, position), window, position.now)


def _last(timetable: Timetable, position: Position) -> Interval | None:
    if position.last is None:
        return None
    start, end = position.last
    return timetable.scheduled_interval(start) if end is None else (start, end)


def _first_between(timetable: Timetable, window: Window, position: Position, start: datetime | None) -> Interval | None:
    if isinstance(timetable, DeltaIntervals | DeltaTriggers) and window.earliest is not None:
        known = position.next or position.last or (start,)
        window = window._replace(earliest=_on_grid(timetable, known[0], window.earliest))
    return timetable.next_run(None, window, position.now)


def _on_grid(timetable: DeltaIntervals | DeltaTriggers, known: datetime | None, date: datetime) -> datetime:
    """Return the first date from `date` on at which the schedule has a run, if it has one at the date `known`."""
    if known is None:
        return date
    length = fixed_length(timetable.delta)
    if length is not None and length > timedelta(0):
        return date + (known - date) % length
    before, after = timetable.neighbours(known)
    while before is not None and before < known and before >= date:
        known = before
        before, after = timetable.neighbours(known)
    while after is not None and known < after and known < date:
        known = after
        before, after = timetable.neighbours(known)
    return max(known, date)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(filter(None, (one, other)), default=None)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(filter(None, (one, other)), default=None)
