"""A DAG's schedule, and what is due of it: plain functions of its position and the time."""

from datetime import UTC, datetime
from typing import NamedTuple

from server.database.encoding import MALFORMED, date_of, plain_date
from server.database.serialized import SerializedDag
from server.database.timetables import Interval, Moments, Timetable, Window, read

# Of a schedule that has much to catch up on, at most so many runs are made at once.
_AT_ONCE = 20


class Schedule(NamedTuple):
    """A timetable, and the dates between which it makes runs; `catchup` is None if the DAG does not say."""

    timetable: Timetable
    earliest: datetime | None
    latest: datetime | None
    catchup: bool | None

    def window(self, *, catchup_by_default: bool) -> Window:
        """Return the dates between which it makes runs."""
        return Window(self.earliest, self.latest, catchup_by_default if self.catchup is None else self.catchup)


class Plan(NamedTuple):
    """The runs to be made now, and the one after them."""

    due: list[Interval]
    next: Interval | None
    is_held: bool = False
    """Whether that one is due too, but others must end before."""
    is_behind: bool = False
    """Whether that one is due too, and is made when these are."""


def read_schedule(dag: SerializedDag) -> Schedule | None:
    """Read the schedule of a DAG; None if it has none, or one that cannot be run."""
    try:
        timetable = read(dag.data)
        if type(timetable) is Moments:
            return None
        return Schedule(timetable, _earliest(dag), _latest(dag), dag.data.get("catchup"))
    except MALFORMED:
        return None


def plan(timetable: Timetable, window: Window, following: Interval | None, now: datetime, room: int) -> Plan:
    """Return what is due at a moment of a schedule whose next run is `following`; at most `room` runs may be made.

    Raises OverflowError or ValueError if the schedule leads to an end of the calendar.
    """
    due: list[Interval] = []
    while following is not None and following[1] <= now:
        if len(due) >= min(room, _AT_ONCE):
            return Plan(due, following, is_held=len(due) >= room, is_behind=len(due) < room)
        due.append(following)
        following = timetable.next_run(following, window, now)
    return Plan(due, following)


def run_id_of(interval: Interval) -> str:
    """Return the run_id that Airflow gives to the run of an interval."""
    return f"scheduled__{interval[0].astimezone(UTC).isoformat()}"


def _earliest(dag: SerializedDag) -> datetime | None:
    dates = [plain_date(task.get("start_date")) for task in dag.tasks.values()]
    return _own(dag, "start_date") or min(filter(None, dates), default=None)


def _latest(dag: SerializedDag) -> datetime | None:
    """Return the DAG's end, or else that of its last task, None if one of them has no end."""
    dates = [plain_date(task.get("end_date")) for task in dag.tasks.values()]
    return _own(dag, "end_date") or (None if None in dates else max(filter(None, dates), default=None))


def _own(dag: SerializedDag, name: str) -> datetime | None:
    value = dag.data.get(name)
    return plain_date(date_of(value)) if isinstance(value, int | float) else None
