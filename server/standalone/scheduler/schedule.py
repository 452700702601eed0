"""What is due of a DAG's schedule: plain functions of its position and the time."""

from datetime import UTC, datetime
from typing import NamedTuple

from server.database.timetables import Interval, Timetable, Window

# Of a schedule that has much to catch up on, at most so many runs are made at once.
_AT_ONCE = 20


class Plan(NamedTuple):
    """The runs to be made now, and the one after them."""

    due: list[Interval]
    next: Interval | None
    is_held: bool = False
    """Whether that one is due too, but others must end before."""
    is_behind: bool = False
    """Whether that one is due too, and is made when these are."""


def plan(timetable: Timetable, window: Window, following: Interval | None, now: datetime, room: int) -> Plan:
    """Return what is due at a moment of a schedule whose next run is `following`; at most `room` runs may be made.

    Raises OverflowError or ValueError if the schedule leads to an end of the calendar.
    """
    due: list[Interval] = []
    while following is not None and following[1] <= now:
        if len(due) >= min(room, _AT_ONCE):
            return Plan(due, following, is_held=len(due) >= room, is_behind=len(due) < room)
        due.append(following)
        following = timetable.following(following, window, now)
    return Plan(due, following)


def run_id_of(interval: Interval) -> str:
    """Return the run_id that Airflow gives to the run of an interval."""
    return f"scheduled__{interval[0].astimezone(UTC).isoformat()}"
