"""Which runs a schedule makes, against a slow model that looks at every minute of the time in question."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.database.schedule import read_schedule
from server.database.serialized import SerializedDag
from server.database.timetable_reader import read
from server.database.timetables import Interval, Timetable, Window
from server.standalone.scheduler.graphs import Graphs
from server.standalone.scheduler.schedule import plan, run_id_of
from server.standalone.scheduler.schedules import Schedules
from server.standalone.scheduler.store import Store

MINUTE, ROOM = timedelta(minutes=1), 100_000
# What a cron field may be here, with the values that it has.
MINUTES = {"0": {0}, "30": {30}, "15,45": {15, 45}, "*/20": {0, 20, 40}}
HOURS = {"2": {2}, "0,3": {0, 3}, "*/8": {0, 8, 16}, "1-3": {1, 2, 3}, "23": {23}}
DAYS = {"*": set(range(1, 32)), "1": {1}, "31": {31}, "10,27": {10, 27}}
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")
BEGINNINGS = [datetime(2024, month, 20, tzinfo=UTC) for month in (2, 3, 6, 10)]


def ticks(minutes: set[int], hours: set[int], days: set[int], zone: str, around: Interval) -> Iterator[datetime]:
    """Yield the ticks of a cron expression: each minute of the clock on the wall is looked at."""
    place = ZoneInfo(zone)
    wall, last = (moment.astimezone(place).replace(tzinfo=None, second=0, microsecond=0) for moment in around)
    while wall < last:
        if wall.minute in minutes and wall.hour in hours and wall.day in days:
            # An hour that comes twice counts when it comes again; one that is skipped moves forward.
            early, late = (wall.replace(tzinfo=place, fold=fold).astimezone(UTC) for fold in (0, 1))
            yield max(early, late)
        wall += MINUTE


def runs_by_model(all_ticks: Sequence[datetime], window: Window, looks: Sequence[datetime]) -> list[Interval]:
    """Return the runs that are made when a scheduler looks at these moments."""
    made: list[Interval] = []
    intervals = [
        one for one in pairwise(all_ticks)
        if (window.earliest is None or one[0] >= window.earliest) and (window.latest is None or one[0] <= window.latest)
    ]  # fmt: skip
    for now in looks:
        over = [one for one in intervals if one[1] <= now and (not made or one[0] > made[-1][0])]
        if window.catchup:
            made += over
        elif over and over[-1] == [one for one in pairwise(all_ticks) if one[1] <= now][-1]:
            made.append(over[-1])
    return made


def runs_by_schedule(timetable: Timetable, window: Window, looks: Sequence[datetime]) -> list[Interval]:
    """Return what the scheduler makes: the first look finds the next run, and later ones go on from there."""
    made: list[Interval] = []
    following = timetable.next_run(None, window, looks[0])
    for now in looks:
        if following is not None:
            following = timetable.resumed(following, window, now)
        planned = plan(timetable, window, following, now, ROOM)
        while planned.is_behind:
            made += planned.due
            planned = plan(timetable, window, planned.next, now, ROOM)
        made += planned.due
        following = planned.next
    return made


@given(
    fields=st.tuples(st.sampled_from(sorted(MINUTES)), st.sampled_from(sorted(HOURS)), st.sampled_from(sorted(DAYS))),
    zone=st.sampled_from(ZONES),
    begin=st.sampled_from(BEGINNINGS),
    starts=st.integers(0, 20 * 1440),
    ends=st.none() | st.integers(0, 30 * 1440),
    catchup=st.booleans(),
    pauses=st.lists(st.integers(1, 9 * 1440), min_size=1, max_size=6),
)
def test_crons_against_the_model(
    fields: tuple[str, str, str],
    zone: str,
    begin: datetime,
    starts: int,
    ends: int | None,
    *,
    catchup: bool,
    pauses: list[int],
) -> None:
    """Every mixture, across changes of the clocks, with outages of every length."""
    expression = " ".join([*fields, "*", "*"])
    timetable = read({"schedule_interval": expression, "timezone": zone})
    earliest = begin + starts * MINUTE
    window = Window(earliest, None if ends is None else begin + ends * MINUTE, catchup)
    looks = [begin]
    for pause in pauses:
        looks.append(looks[-1] + pause * MINUTE)
    values = MINUTES[fields[0]], HOURS[fields[1]], DAYS[fields[2]]
    around = begin - timedelta(days=95), looks[-1] + timedelta(days=2)
    known = sorted(set(ticks(*values, zone, around)))
    assert runs_by_schedule(timetable, window, looks) == runs_by_model(known, window, looks)


@given(
    seconds=st.integers(60, 9 * 86400),
    starts=st.integers(-9 * 86400, 9 * 86400),
    pauses=st.lists(st.integers(1, 9 * 86400), min_size=1, max_size=6),
)
def test_timedeltas_catch_up(seconds: int, starts: int, pauses: list[int]) -> None:
    """One interval after the other from the start_date on, until now."""
    begin = BEGINNINGS[1]
    start, step = begin + timedelta(seconds=starts), timedelta(seconds=seconds)
    looks = [begin]
    for pause in pauses:
        looks.append(looks[-1] + timedelta(seconds=pause))
    timetable = read({"schedule_interval": {"__type": "timedelta", "__var": float(seconds)}})
    made = runs_by_schedule(timetable, Window(start, None, catchup=True), looks)
    number = max(0, (looks[-1] - start) // step)
    assert made == [(start + n * step, start + (n + 1) * step) for n in range(number)]


def test_as_many_runs_as_may_be_under_way() -> None:
    """What is left waits for the end of others, or for the next portion."""
    timetable = read({"schedule_interval": "@hourly"})
    begin, window = BEGINNINGS[0], Window(BEGINNINGS[0], None, catchup=True)
    first = timetable.next_run(None, window, begin)
    now = begin + timedelta(days=2)
    planned = plan(timetable, window, first, now, 3)
    assert (len(planned.due), planned.is_held, planned.is_behind) == (3, True, False)
    assert planned.next == (begin + timedelta(hours=3), begin + timedelta(hours=4))
    assert plan(timetable, window, first, now, 0).is_held
    assert plan(timetable, window, first, now, ROOM).is_behind


@pytest.mark.parametrize(
    "data",
    [
        {"schedule_interval": None},
        {"schedule_interval": "every day"},
        {"schedule_interval": "@continuous"},
        {"schedule_interval": {"__type": "timedelta", "__var": "x"}},
        {"schedule_interval": "@daily", "timezone": "Mars"},
        {"timetable": {"__type": "of_a_plugin.Timetable", "__var": {}}},
        {"schedule_interval": "@daily", "schedule_problem": "it needs a `start_date`"},
    ],
)
def test_what_is_no_schedule(data: dict[str, object]) -> None:
    """Or one that cannot be run: the DAG stays one that is triggered."""
    assert read_schedule(SerializedDag("d", data)) is None


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_an_interval_that_leads_nowhere(seconds: float) -> None:
    """It has no next run."""
    timetable = read({"schedule_interval": {"__type": "timedelta", "__var": seconds}})
    assert timetable.next_run(None, Window(BEGINNINGS[0], None, catchup=True), BEGINNINGS[1]) is None


class _NextInAnHour:
    """A database in which nothing is due for an hour."""

    async def due_schedules(self, _number: int, _without: object) -> list[object]:
        return []

    async def seconds_until_due(self, since: datetime) -> tuple[float, datetime]:
        return 3600.0, since


async def test_a_clock_that_is_set_is_noticed() -> None:
    """Set forward, the database is asked at once; set back, no later than after the longest wait."""
    now = 1_000_000.0
    store = cast("Store", _NextInAnHour())
    schedules = Schedules(store, cast("Graphs", None), 16, catchup_by_default=True, clock=lambda: now)
    assert schedules.wait(1.0) == 0
    await schedules.make_runs()
    assert schedules.wait(1.0) == 1
    assert schedules.wait(7200.0) == 3600
    now += 86400
    assert schedules.wait(1.0) == 0
    now -= 2 * 86400
    assert schedules.wait(1.0) == 1


def test_the_id_of_a_run() -> None:
    """Airflow's, in UTC."""
    start = datetime(2024, 3, 5, tzinfo=ZoneInfo("Europe/Berlin"))
    assert run_id_of((start, start)) == "scheduled__2024-03-04T23:00:00+00:00"
