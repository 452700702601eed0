"""A DAG's schedule, as its serialized form has it: the timetable, and the dates between which it makes runs."""

from datetime import datetime
from typing import NamedTuple

from server.database.encoding import MALFORMED, date_of, plain_date
from server.database.serialized import SerializedDag
from server.database.timetable_reader import read
from server.database.timetables import Moments, Timetable, Window


class Bounds(NamedTuple):
    """The first and last date of the runs of a schedule, and whether it makes those that it has missed.

    None means that there is no limit, and for `catchup` that the DAG does not say.
    """

    earliest: datetime | None = None
    latest: datetime | None = None
    catchup: bool | None = None

    def window(self, *, catchup_by_default: bool) -> Window:
        """Return the dates between which it makes runs."""
        return Window(self.earliest, self.latest, catchup_by_default if self.catchup is None else self.catchup)


class Schedule(NamedTuple):
    """A timetable, and the bounds of its runs."""

    timetable: Timetable
    bounds: Bounds

    def window(self, *, catchup_by_default: bool) -> Window:
        """Return the dates between which it makes runs."""
        return self.bounds.window(catchup_by_default=catchup_by_default)


def read_schedule(dag: SerializedDag) -> Schedule | None:
    """Read the schedule of a DAG; None if it has none, or one that cannot be run: its loader may have said so."""
    if dag.data.get("schedule_problem"):
        return None
    try:
        timetable = read(dag.data)
        if type(timetable) is Moments:
            return None
        return Schedule(timetable, read_bounds(dag))
    except MALFORMED:
        return None


def read_bounds(dag: SerializedDag) -> Bounds:
    """Read what bounds the runs of a DAG's schedule; raises one of MALFORMED."""
    catchup = dag.data.get("catchup")
    return Bounds(_earliest(dag), _latest(dag), catchup if isinstance(catchup, bool) else None)


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
