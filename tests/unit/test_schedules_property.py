"""Random cron expressions in random time zones, against the rules of Airflow's scheduler written once more, slowly.

The rules are those that docs/scheduler.md gives; croniter finds the ticks of a clock without time zones, as it does for
Airflow. The recorded year in tests/airflow holds both against the real one.
"""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from croniter import CroniterBadDateError, croniter
from hypothesis import assume, given
from hypothesis import strategies as st

from server.database.cron import Cron
from server.database.timetable_reader import read
from server.database.timetables import Interval, Window
from server.standalone.scheduler.schedule import plan

ROOM = 100_000
ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia", "Africa/Cairo",
    "America/Havana", "America/Santiago", "Atlantic/Azores", "Pacific/Chatham",
)  # fmt: skip
# Days near a change of the clocks in one of these zones, and others.
DAYS = tuple(
    datetime(2024, month, day, tzinfo=UTC)
    for month, day in ((3, 9), (3, 30), (4, 5), (4, 25), (7, 4), (9, 6), (9, 28), (10, 5), (10, 26), (10, 31), (11, 2))
)


def field(low: int, high: int, *words: str) -> st.SearchStrategy[str]:
    """Return texts of one field of a cron expression."""
    number = st.integers(low, high)
    span = st.tuples(number, number).map(sorted).map(lambda ends: f"{ends[0]}-{ends[1]}")
    lists = st.lists(number, min_size=1, max_size=3).map(lambda many: ",".join(map(str, many)))
    step = st.integers(2, max(2, high // 2)).map(lambda width: f"*/{width}")
    return st.sampled_from(["*", "*", *words]) | lists | span | step


EXPRESSIONS = st.tuples(
    field(0, 59, "0", "30"),
    field(0, 23, "0", "2", "1-3"),
    field(1, 31, "*", "*", "L", "1"),
    field(1, 12, "*", "*", "*", "JAN,MAR,OCT"),
    field(0, 7, "*", "*", "*", "MON-FRI", "SUN", "5#2", "L5"),
).map(" ".join)


class Model:
    """The ticks of an expression in a zone, each found anew."""

    def __init__(self, expression: str, zone: str) -> None:
        self.expression = expression
        self.place = ZoneInfo(zone)
        self.every_hour = croniter(expression).expanded[1] == ["*"]

    def tick(self, moment: datetime, direction: str) -> datetime:
        """Return the `next` or `prev` tick from a moment."""
        wall = moment.astimezone(self.place).replace(tzinfo=None)
        found: datetime = getattr(croniter(self.expression, wall), f"get_{direction}")(datetime)
        if self.every_hour:
            return moment + (found - wall)
        # The second of two, and the moment after a gap.
        return max(found.replace(tzinfo=self.place, fold=fold).astimezone(UTC) for fold in (0, 1))

    def aligned(self, moment: datetime, direction: str) -> datetime:
        """Return the moment itself if the tick beyond it leads back to it, the tick in that direction otherwise."""
        found = self.tick(moment, direction)
        back = self.tick(found, "prev" if direction == "next" else "next")
        return moment if back == moment else found

    def newest(self, now: datetime) -> datetime:
        """Return the beginning of the last interval that is over."""
        end = self.tick(now, "prev")
        return end if self.tick(end, "next") == now else self.tick(end, "prev")

    def next_start(self, last: Interval | None, window: Window, now: datetime) -> datetime | None:
        """Return the beginning of the next run."""
        starts = [] if last is None else [self.aligned(last[1], "prev")]
        if window.earliest is not None:
            starts.append(self.aligned(window.earliest, "next"))
        if not window.catchup:
            starts.append(self.newest(now))
        start = max(starts)
        return None if window.latest is not None and start > window.latest else start


def runs_by_model(model: Model, window: Window, looks: list[datetime], most: int) -> list[Interval]:
    """Return the first runs that are made when a scheduler looks at these moments."""
    made: list[Interval] = []
    planned: datetime | None = None
    for now in looks:
        while len(made) < most:
            start = model.next_start(made[-1] if made else None, window, now)
            # What is planned stays when an hour comes again.
            planned = start = start if start is None or planned is None else max(start, planned)
            if start is None:
                break
            # Round in a circle, as Airflow would, it must not go.
            if made and start <= made[-1][0]:
                start = made[-1][1]
            end = model.tick(start, "next")
            if end > now:
                break
            made.append((start, end))
            planned = None
    return made


def runs_by_schedule(expression: str, zone: str, window: Window, looks: list[datetime], most: int) -> list[Interval]:
    """Return the same by the scheduler's own functions."""
    timetable = read({"schedule_interval": expression, "timezone": zone})
    made: list[Interval] = []
    following = timetable.next_run(None, window, looks[0])
    for now in looks:
        while following is not None and len(made) < most:
            following = timetable.resumed(following, window, now)
            planned = plan(timetable, window, following, now, ROOM)
            made += planned.due
            following = planned.next
            if not planned.is_behind:
                break
    return made[:most]


@given(
    expression=EXPRESSIONS,
    zone=st.sampled_from(ZONES),
    begin=st.sampled_from(DAYS),
    minutes=st.integers(-2 * 1440, 2 * 1440),
    length=st.none() | st.integers(0, 3 * 1440),
    catchup=st.booleans(),
    pauses=st.lists(st.integers(1, 2 * 1440), min_size=1, max_size=5),
)
def test_random_schedules(
    expression: str,
    zone: str,
    begin: datetime,
    minutes: int,
    length: int | None,
    *,
    catchup: bool,
    pauses: list[int],
) -> None:
    """The same runs, with outages of any length, and always later ones."""
    earliest = begin + timedelta(minutes=minutes)
    window = Window(earliest, None if length is None else earliest + timedelta(minutes=length), catchup)
    looks = [begin]
    for pause in pauses:
        looks.append(looks[-1] + timedelta(minutes=pause))
    try:
        expected = runs_by_model(Model(expression, zone), window, looks, 60)
    except CroniterBadDateError:
        assume(False)  # noqa: FBT003 - hypothesis's own
    assert runs_by_schedule(expression, zone, window, looks, 60) == expected
    assert all(one[0] < other[0] for one, other in pairwise(expected))


@given(
    expression=EXPRESSIONS,
    zone=st.sampled_from(ZONES),
    moments=st.lists(
        st.tuples(st.sampled_from(DAYS), st.integers(0, 3 * 86400)).map(lambda at: at[0] + timedelta(seconds=at[1])),
        min_size=1,
        max_size=8,
    ),
)
def test_random_ticks(expression: str, zone: str, moments: list[datetime]) -> None:
    """One Cron that is asked in any order answers as one that was made for each question."""
    model = Model(expression, zone)
    try:
        expected = [[model.tick(at, "next"), model.tick(at, "prev"), model.newest(at)] for at in moments]
    except CroniterBadDateError:
        assume(False)  # noqa: FBT003 - hypothesis's own
    cron = Cron(expression, zone)
    assert [[cron.after(at), cron.before(at), cron.interval(at)[0]] for at in moments] == expected


@given(
    expression=EXPRESSIONS,
    zone=st.sampled_from(ZONES),
    begin=st.sampled_from(DAYS),
    catchup=st.booleans(),
    jumps=st.lists(st.integers(-2 * 1440, 2 * 1440), min_size=2, max_size=8),
)
def test_a_clock_that_is_set(expression: str, zone: str, begin: datetime, *, catchup: bool, jumps: list[int]) -> None:
    """However it is set, no run is made twice or too early, and what catches up has every run."""
    looks = [begin]
    for jump in jumps:
        looks.append(looks[-1] + timedelta(minutes=jump))
    window = Window(begin - timedelta(days=1), None, catchup)
    try:
        made = runs_by_schedule(expression, zone, window, looks, 200)
        at_once = runs_by_schedule(expression, zone, window, [max(looks)], 200)
    except CroniterBadDateError:
        assume(False)  # noqa: FBT003 - hypothesis's own
    assert all(one[0] < other[0] for one, other in pairwise(made))
    assert all(end <= max(looks) for _, end in made)
    assert made == at_once or not catchup


BERLIN_DAILY = "30 2 * * *"
SPRING, AUTUMN = datetime(2024, 3, 30, tzinfo=UTC), datetime(2024, 10, 26, tzinfo=UTC)


def ends_of(expression: str, zone: str, begin: datetime, days: int = 3) -> list[str]:
    """Return when the runs of some days are made, in UTC."""
    window = Window(begin, None, catchup=True)
    made = runs_by_schedule(expression, zone, window, [begin + timedelta(days=days)], 200)
    return [f"{end:%d %H:%M}" for _, end in made]


def test_a_time_that_is_skipped_and_one_that_comes_twice() -> None:
    """02:30 in Berlin is 03:30 in summer time that day; of two the second counts; the days after are as ever."""
    assert ends_of(BERLIN_DAILY, "Europe/Berlin", SPRING) == ["31 01:30", "01 00:30"]
    assert ends_of(BERLIN_DAILY, "Europe/Berlin", AUTUMN) == ["27 01:30", "28 01:30"]


@pytest.mark.parametrize("begin", [SPRING, AUTUMN])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "UTC"])
def test_every_hour_has_its_run(begin: datetime, zone: str) -> None:
    """An hourly schedule makes one run after the other, whatever the clocks on the walls do."""
    hours = [begin + timedelta(hours=n) for n in range(1, 73)]
    assert ends_of("0 * * * *", zone, begin) == [f"{hour:%d %H:%M}" for hour in hours]


@pytest.mark.parametrize(
    ("expression", "zone", "start"),
    [
        # Clocks that are set back by half an hour.
        ("@hourly", "Australia/Lord_Howe", datetime(2024, 4, 6, tzinfo=UTC)),
        # Clocks that are set back at one in the night, on a day on which the schedule has just begun.
        ("0,50 * 3 11 *", "America/Havana", datetime(2024, 11, 3, tzinfo=UTC)),
    ],
)
def test_no_schedule_goes_round_in_a_circle(expression: str, zone: str, start: datetime) -> None:
    """By Airflow's rules these do. The scheduler would look at such a DAG again and again, and get nowhere."""
    timetable = read({"schedule_interval": expression, "timezone": zone})
    now, window = start + timedelta(days=1), Window(start, None, catchup=True)
    following, made = timetable.next_run(None, window, now), list[Interval]()
    for _ in range(10):
        planned = plan(timetable, window, following, now, ROOM)
        made += planned.due
        following = planned.next
    assert following is None or following[1] > now
    assert all(one[0] < other[0] for one, other in pairwise(made))
    assert len(made) > 20
