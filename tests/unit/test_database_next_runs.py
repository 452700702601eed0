"""The next runs of a schedule, and those between two dates."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st

from server.database.next_runs import Planned, Position, Question, planned_runs
from server.database.timetable_reader import of_cron
from server.database.timetables import Delta, DeltaIntervals, Interval, Moments, Once, Timetable, Window
from server.database.trigger_timetables import Before, DeltaTriggers

DAY = timedelta(days=1)
START = datetime(2024, 1, 10, 3, tzinfo=UTC)
NOW = datetime(2024, 2, 1, 12, tzinfo=UTC)
DAILY = of_cron("@daily", "UTC")
EVERY_DAY = DeltaIntervals(DAY)
EVERY_MONTH = DeltaIntervals(relativedelta(months=1))
NEVER = of_cron("0 0 30 2 *", "UTC")
WINDOW = Window(START, None, catchup=True)


def day(number: int, hour: int = 0, month: int = 1) -> datetime:
    return datetime(2024, month, number, hour, tzinfo=UTC)


def position(
    following: Interval | None = None,
    last: tuple[datetime, datetime | None] | None = None,
    *,
    is_open: bool = False,
    skips: bool = False,
) -> Position:
    return Position(NOW, following, last, is_open, skips)


def starts(timetable: Timetable, window: Window, at: Position, number: int = 3) -> list[datetime]:
    return [start for start, _ in planned_runs(timetable, window, at, Question(number)).intervals]


def between(
    timetable: Timetable, since: datetime | None, until: datetime | None, at: Position, number: int = 9
) -> list[datetime]:
    asked = Question(number, is_between=True, since=since, until=until)
    return [start for start, _ in planned_runs(timetable, WINDOW, at, asked).intervals]


def test_the_planned_run_comes_first() -> None:
    """What follows it are the intervals after it, up to the end of the window."""
    at = position((day(20), day(21)))
    assert planned_runs(DAILY, WINDOW, at, Question(1)) == Planned([(day(20), day(21))], is_known=True)
    assert starts(DAILY, WINDOW, at) == [day(20), day(21), day(22)]
    assert starts(DAILY, WINDOW._replace(latest=day(21)), at) == [day(20), day(21)]
    assert starts(EVERY_DAY, WINDOW, position((day(20, 7), day(21, 7)))) == [day(20, 7), day(21, 7), day(22, 7)]
    assert starts(DAILY, WINDOW, position()) == []


def test_a_scheduler_that_skips_what_is_over() -> None:
    """Without catchup the planned run of a DAG that was paused is not made; Airflow's plan stays as it is."""
    old, window = (day(20), day(21)), WINDOW._replace(catchup=False)
    assert starts(DAILY, window, position(old, skips=True), 1) == [day(31)]
    assert starts(DAILY, WINDOW, position(old, skips=True), 1) == [day(20)]
    assert starts(DAILY, window, position(old), 1) == [day(20)]


def test_nobody_has_planned_it_yet() -> None:
    """Then it follows from the newest run, whose end may be unknown, or from the beginning of the window."""
    assert starts(DAILY, WINDOW, position(is_open=True)) == [day(11), day(12), day(13)]
    assert starts(EVERY_DAY, WINDOW, position(is_open=True), 1) == [START]
    for end in (day(16), None):
        assert starts(DAILY, WINDOW, position(last=(day(15), end), is_open=True), 1) == [day(16)]
    assert starts(Once(), WINDOW, position(is_open=True)) == [START]
    assert starts(Once(), WINDOW, position(last=(START, None), is_open=True)) == []


def test_between_dates() -> None:
    """Both dates count, and the window too, whatever has been made."""
    at = position((day(31), day(1, month=2)), (day(30), day(31)))
    assert between(DAILY, day(15), day(17), at) == [day(15), day(16), day(17)]
    assert between(DAILY, day(15, 1), day(16, 23), at) == [day(16)]
    assert between(DAILY, day(1), day(11), at) == [day(11)]
    assert between(DAILY, None, day(12), at) == [day(11), day(12)]
    assert between(DAILY, day(30), None, at, 4) == [day(30), day(31), day(1, month=2), day(2, month=2)]
    assert between(DAILY, day(17), day(15), at) == []


def test_the_one_run_of_once() -> None:
    """It is at the start of the window alone."""
    at = position(last=(START, None))
    for since, until, found in (
        (None, None, [START]),
        (START, START, [START]),
        (day(1), day(20), [START]),
        (day(11), day(20), []),
        (day(1), day(9), []),
    ):
        assert between(Once(), since, until, at) == found


@pytest.mark.parametrize("known", [day(31, 5), day(12, 5), day(20, 5)])
def test_a_timedelta_stays_on_the_grid_of_its_runs(known: datetime) -> None:
    """Its dates between two others are those of the schedule, not counted from the first of the two."""
    at = position((known, known + DAY))
    assert between(EVERY_DAY, day(20), day(22), at) == [day(20, 5), day(21, 5)]
    assert between(EVERY_DAY, day(20, 5), day(20, 5), at) == [day(20, 5)]
    assert between(EVERY_DAY, day(1), day(11), at) == [day(10, 5)]
    assert between(EVERY_DAY, day(20), day(21), position(last=(known, None))) == [day(20, 5)]
    assert between(EVERY_DAY, day(11), day(12), position()) == [day(11, 3)]


@given(
    st.timedeltas(timedelta(minutes=1), timedelta(days=40)),
    st.timedeltas(timedelta(days=-9), timedelta(days=9)),
)
def test_the_grid_is_what_one_interval_after_the_other_leads_to(length: timedelta, distance: timedelta) -> None:
    """Of a fixed length, whether it is written as a timedelta or as a relativedelta; from a run on, or back from it."""
    known = START + timedelta(days=20)
    date = known + distance
    expected = known
    while expected - length >= date:
        expected -= length
    while expected < date:
        expected += length
    for delta in (length, relativedelta(seconds=length.seconds, days=length.days, microseconds=length.microseconds)):
        at = position((known, known + length))
        assert between(DeltaIntervals(delta), date, None, at, 1) == [expected]
    triggers = DeltaTriggers(length, timedelta(0))
    assert between(triggers, date, None, position((known, known)), 1) == [expected]


@pytest.mark.parametrize("timetable", [DeltaIntervals, lambda delta: DeltaTriggers(delta, timedelta(0))])
def test_years_of_minutes_are_not_counted_one_by_one(timetable: Callable[[Delta], Timetable]) -> None:
    """A decoder process has two seconds."""
    far = START + timedelta(days=365 * 300)
    begun = time.process_time()
    for delta in (timedelta(minutes=1), relativedelta(minutes=1)):
        at = position((START, START))
        assert between(timetable(delta), far, None, at, 2) == [far, far + timedelta(minutes=1)]
    assert time.process_time() - begun < 1


def test_months_stay_on_their_grid() -> None:
    """A month has no fixed length."""
    at = position((day(10, 3, month=12), day(10, 3, month=12) + DAY))
    assert between(EVERY_MONTH, day(1, month=3), day(30, month=4), at) == [day(10, 3, month=3), day(10, 3, month=4)]


def test_microseconds_of_a_relativedelta_count() -> None:
    """A row that somebody wrote may have nothing else; the newest interval is that of the timedelta."""
    window = WINDOW._replace(catchup=False)
    for delta in (relativedelta(microseconds=1), relativedelta(seconds=7, microseconds=500_000)):
        length = timedelta(seconds=delta.seconds, microseconds=delta.microseconds)
        found = [starts(DeltaIntervals(one), window, position(is_open=True)) for one in (delta, length)]
        assert found[0] == found[1] != []


def test_a_length_of_nothing_ends() -> None:
    """A row that somebody wrote may have it."""
    at = position((day(20), day(20)))
    assert between(DeltaIntervals(timedelta(0)), day(25), day(26), at) == []


def test_what_ends() -> None:
    """The calendar ends after the runs that were found; a cron expression that never fires is an error of its own."""
    late = datetime(9999, 12, 31, tzinfo=UTC)
    assert starts(DAILY, WINDOW, position((late - DAY, late))) == [late - DAY]
    with pytest.raises(ValueError, match=r".*"):
        starts(NEVER, WINDOW, position(is_open=True))


def test_what_only_airflow_knows() -> None:
    """Of its own timetables it is the planned run alone."""
    for timetable, is_schedule in ((Moments(), False), (Before(DAY), True)):
        planned = planned_runs(timetable, WINDOW, position((day(20), day(20))), Question(3))
        assert planned == Planned([(day(20), day(20))], is_known=False, is_schedule=is_schedule)
        assert between(timetable, day(1), day(30), position()) == []
