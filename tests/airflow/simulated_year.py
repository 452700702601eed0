"""A simulated year of many schedules: the DAG files, the moments at which a scheduler looks, and what is recorded.

`schedules_in_airflow.py` goes through the same year inside of a real Airflow; `test_schedules.py` compares. The year
has both changes of the clocks, and two outages, one of them across a change.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

BEGIN, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
_OUTAGES = (
    (datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 11, 3, tzinfo=UTC)),
    (datetime(2024, 10, 20, tzinfo=UTC), datetime(2024, 10, 30, 5, tzinfo=UTC)),
)
_NEAR_THE_CHANGES = frozenset({"2024-03-10", "2024-03-31", "2024-04-06", "2024-10-05", "2024-10-27", "2024-11-03"})
BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
KOLKATA, APIA = "Asia/Kolkata", "Pacific/Apia"


class _Year(NamedTuple):
    """A schedule that runs for the whole year."""

    schedule: object
    zone: str = "UTC"
    start: str = "2024-01-01"
    catchup: bool = True


_CRONS = (
    # Presets, and the words that croniter knows besides.
    _Year("@daily"),
    _Year("@daily", BERLIN, "2023-12-28 07:20"),
    _Year("@daily", NEW_YORK, catchup=False),
    _Year("@daily", LORD_HOWE),
    _Year("@daily", KOLKATA, "2024-01-01T00:00:00"),
    _Year("@daily", APIA, "2023-12-30 23:59:59", catchup=False),
    _Year("@midnight", APIA),
    _Year("@weekly", BERLIN),
    _Year("@weekly", NEW_YORK, "2023-11-11 11:11", catchup=False),
    _Year("@monthly"),
    _Year("@monthly", LORD_HOWE, "2023-07-15", catchup=False),
    _Year("@quarterly", BERLIN, "2023-01-01"),
    _Year("@quarterly", KOLKATA, "2022-02-02 02:02", catchup=False),
    _Year("@yearly", "UTC", "2019-06-01"),
    _Year("@yearly", BERLIN, "2019-06-01", catchup=False),
    _Year("@annually", NEW_YORK, "2020-01-01"),
    _Year("@once", BERLIN, "2024-02-03 04:05"),
    _Year("@once", "UTC", "2024-03-31 02:30", catchup=False),
    _Year("@once", "UTC", "2026-02-03"),
    # Days of the week and of the month.
    _Year("0 0 13 * 5"),
    _Year("0 6 */5 * 1", BERLIN),
    _Year("0 12 L * *", NEW_YORK),
    _Year("0 8 * * 5#2", BERLIN, catchup=False),
    _Year("0 8 * * L5"),
    _Year("5 4 * * 0", BERLIN, catchup=False),
    _Year("5 4 * * 7", NEW_YORK),
    _Year("0 0 * * 1-5", LORD_HOWE),
    _Year("0 7 * * MON-FRI", BERLIN, "2024-01-06 09:00"),
    _Year("30 2 * * SUN", BERLIN),
    _Year("30 2 * * SUN", NEW_YORK, catchup=False),
    _Year("0 0 1,15 * *", KOLKATA),
    _Year("0 0 */7 * *", APIA),
    _Year("0 4 8-14 * TUE", BERLIN),
    _Year("0 0 31 * *", BERLIN),
    _Year("0 0 15W * *"),
    _Year("15 14 1 * *", NEW_YORK, catchup=False),
    _Year("0 9 1 JAN,APR,JUL,OCT *", BERLIN),
    _Year("0 22 * 3,10 *", BERLIN),
    _Year("59 23 31 12 *", LORD_HOWE, "2020-01-01"),
    _Year("0 0 29 2 *", BERLIN, "2012-01-01"),
    _Year("20 2 30 10 *", BERLIN, "2022-01-01"),
    # Steps, and times that the changes of the clocks skip or repeat.
    _Year("30 2 * * *", BERLIN),
    _Year("30 2 * * *", BERLIN, "2024-03-31 02:30"),
    _Year("30 2 * * *", BERLIN, catchup=False),
    _Year("30 2 * * *", NEW_YORK),
    _Year("0 2 * * *", LORD_HOWE),
    _Year("45 1 * * *", LORD_HOWE),
    _Year("0 2 * * *", BERLIN),
    _Year("30 1 * * *", NEW_YORK, "2024-01-01T00:00:00"),
    _Year("0 3 * * *", BERLIN, "2024-10-27 02:30", catchup=False),
    _Year("0 3 * * *", "UTC", "2024-01-01T00:00:00Z"),
    _Year("0 */12 * * *", BERLIN, "2024-02-20"),
    _Year("23 0-20/10 * * *", NEW_YORK, catchup=False),
    _Year("10,50 2 * * *", BERLIN, "2024-02-01", catchup=False),
)
# Schedules that run often, for some days around a change of the clocks.
_OFTEN = (
    ("@hourly", BERLIN, "2024-03-28", "2024-04-02"),
    ("@hourly", NEW_YORK, "2024-11-01", "2024-11-05"),
    ("@hourly", LORD_HOWE, "2024-04-05", "2024-04-08"),
    ("45 * * * *", LORD_HOWE, "2024-10-04 00:10", "2024-10-07"),
    ("45 * * * *", LORD_HOWE, "2024-04-05 00:10", "2024-04-08"),
    ("*/30 * * * *", BERLIN, "2024-10-26", "2024-10-28"),
    ("15 */2 * * *", BERLIN, "2024-10-24 12:34:56", "2024-10-30"),
    ("0 0-5 * * *", NEW_YORK, "2024-03-08", "2024-03-12"),
    ("0 1,2,3 * * *", BERLIN, "2024-10-24", "2024-10-30"),
    ("*/20 1-3 * * *", BERLIN, "2024-03-29", "2024-04-02"),
    ("15,30 2,3 * * *", BERLIN, "2024-03-29", "2024-04-02"),
    ("0 * 31 3 *", BERLIN, "2024-03-30", "2024-04-02"),
    ("*/10 * * * * */15", BERLIN, "2024-10-27 01:40", "2024-10-27 03:10"),
)
_TIMETABLES = "airflow.timetables."


def _typed(kind: str, **arguments: object) -> dict[str, Any]:
    return {"__type__": kind, **arguments}


def _every(**parts: int) -> dict[str, Any]:
    return _typed("datetime.timedelta", **parts)


def _relative(**parts: int) -> dict[str, Any]:
    return _typed("dateutil.relativedelta.relativedelta", **parts)


def _cron(kind: str, cron: str, zone: str, **more: object) -> dict[str, Any]:
    return _typed(f"{_TIMETABLES}{kind}", cron=cron, timezone=zone, **more)


_INTERVALS, _TRIGGERS = "interval.CronDataIntervalTimetable", "trigger.CronTriggerTimetable"
_OBJECTS = (
    _Year(_every(hours=29), BERLIN),
    _Year(_every(hours=5), start="2024-01-05 03:04", catchup=False),
    _Year(_every(days=1), BERLIN, "2023-12-31 22:17:05"),
    _Year(_every(days=1), BERLIN, catchup=False),
    _Year(_every(days=1, hours=3), NEW_YORK, catchup=False),
    _Year(_every(weeks=1), BERLIN, "2023-12-31 22:17:05"),
    _Year(_every(days=30), "UTC", "2023-06-01", catchup=False),
    _Year(_typed("pendulum.duration", days=2, minutes=1), KOLKATA),
    _Year(_relative(months=1), BERLIN, "2023-10-31"),
    _Year(_relative(months=1), "UTC", "2023-10-31", catchup=False),
    _Year(_relative(weeks=1, days=1), NEW_YORK),
    _Year(_relative(years=1, days=-1), "UTC", "2020-02-29"),
    _Year(_cron(_INTERVALS, "30 2 * * *", BERLIN), "UTC"),
    _Year(_cron(_INTERVALS, "@weekly", NEW_YORK), BERLIN, catchup=False),
    _Year(_cron(_TRIGGERS, "30 2 * * *", BERLIN), "UTC"),
    _Year(_cron(_TRIGGERS, "0 6 * * 1-5", NEW_YORK), BERLIN, "2023-12-31 17:00", catchup=False),
    _Year(_cron(_TRIGGERS, "@daily", LORD_HOWE, interval=_every(hours=6)), "UTC", "2024-01-01 05:00"),
    _Year(_cron(_TRIGGERS, "0 0 1 * *", "UTC", interval=_relative(months=1)), catchup=False),
    _Year(_typed(f"{_TIMETABLES}trigger.DeltaTriggerTimetable", delta=_every(days=3)), BERLIN, "2024-01-01 05:00"),
    _Year(_typed(f"{_TIMETABLES}interval.DeltaDataIntervalTimetable", delta=_relative(days=10)), BERLIN),
    _Year(_typed(f"{_TIMETABLES}simple.OnceTimetable"), BERLIN, "2024-06-01"),
    _Year(_typed(f"{_TIMETABLES}simple.NullTimetable")),
    _Year("None"),
)


def _task(**options: object) -> dict[str, object]:
    return {"operator": "airflow.operators.empty.EmptyOperator", **options}


def _body(schedule: object, start: str, zone: str, **options: object) -> dict[str, Any]:
    defaults = {"start_date": start, "timezone": zone}
    return {"schedule": schedule, "default_args": defaults, "tasks": {"t": _task()}, **options}


def _date(*fields: int) -> dict[str, Any]:
    return _typed("datetime.datetime", __args__=list(fields))


def files() -> dict[str, dict[str, Any]]:
    """Return the DAGs by id, as a DAG file has them."""
    found = {
        f"{kind}_{n:02}": _body(one.schedule, one.start, one.zone, catchup=one.catchup)
        for kind, years in (("cron", _CRONS), ("object", _OBJECTS))
        for n, one in enumerate(years)
    }
    for n, (cron, zone, start, end) in enumerate(_OFTEN):
        found[f"often_{n:02}"] = _body(cron, start, zone, catchup=True, end_date=end, timezone=zone)
    return found | _bounded()


def _bounded() -> dict[str, dict[str, Any]]:
    """Return DAGs whose dates are in several places."""
    by_default = _body("@weekly", "2024-01-01", "UTC")
    ends = _body("@daily", "2024-01-01", "UTC", catchup=True)
    ends["default_args"]["end_date"] = "2024-04-01"
    tasks = _body("@daily", "2024-01-01", "UTC", catchup=True)
    tasks["tasks"] = {
        "t": _task(start_date=_date(2024, 2, 1), end_date=_date(2024, 5, 1)),
        "u": _task(start_date=_date(2024, 3, 1), end_date=_date(2024, 6, 1)),
    }
    timetable = _body(None, "2024-01-01", "UTC", timetable=_cron(_TRIGGERS, "0 0 * * 3", BERLIN))
    return {
        "by_default": by_default,
        "tasks_end": ends,
        "tasks_begin": tasks,
        "timetable": timetable,
        "ends": _body("@daily", "2024-01-01", BERLIN, catchup=True, end_date="2024-03-05"),
        "ends_late": _body("0 5 * * *", "2024-01-01", "UTC", catchup=False, end_date="2024-06-05 05:00"),
        "begins": _body("@daily", "2024-01-01", "UTC", catchup=True, start_date="2024-02-05 07:00"),
        "begins_berlin": _body("@daily", "2024-01-01", "UTC", start_date="2024-02-05", timezone=BERLIN),
    }


ASKED_AGAIN = (
    "cron_01",
    "cron_07",
    "cron_23",
    "cron_42",
    "object_08",
    "object_15",
    "often_04",
    "often_10",
    "timetable",
)
"""The few that `make test-airflow` asks the real Airflow about: some of each kind."""


def moments() -> Iterator[datetime]:
    """Yield the moments at which a scheduler looks."""
    now = BEGIN
    while now < END:
        if not any(begin < now < end for begin, end in _OUTAGES):
            yield now
        now += timedelta(hours=29, minutes=7)
    yield END


def summary(runs: Sequence[Sequence[str]], *, stuck: bool) -> dict[str, Any]:
    """Return what is recorded of the runs of a DAG: pairs of the start and the end of an interval, in ISO 8601.

    `stuck` says that Airflow makes no more of them, because it would go round in a circle.
    """
    digest = hashlib.sha256("\n".join(" ".join(run) for run in runs).encode()).hexdigest()[:32]
    near = [list(run) for run in runs if run[0][:10] in _NEAR_THE_CHANGES]
    ends = {"first": [list(run) for run in runs[:2]], "last": [list(run) for run in runs[-1:]]}
    return {"number": len(runs), "stuck": stuck, "digest": digest, **ends, "clocks": near[:6]}
