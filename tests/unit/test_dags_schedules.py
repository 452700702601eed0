"""Schedules as DAG files write them: what is read, what is run, and what is said about the others."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from dateutil.relativedelta import relativedelta

from server.standalone.dags.errors import DagFileError
from server.standalone.dags.plan import plan_dags
from server.standalone.dags.schedules import column, parse_schedule, schedule_problem, serialized
from server.standalone.dags.spec import DagPlan
from server.wire.document import read_document

TRIGGER = "airflow.timetables.trigger.CronTriggerTimetable"
DELTA_TRIGGER = "airflow.timetables.trigger.DeltaTriggerTimetable"
INTERVALS = "airflow.timetables.interval.CronDataIntervalTimetable"
RELATIVE = "dateutil.relativedelta.relativedelta"
START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = {"__type__": "datetime.timedelta", "hours": 1}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("None", None),
        ("@daily", "@daily"),
        ({"type": "cron", "value": "0 3 * * *"}, "0 3 * * *"),
        ({"type": "timedelta", "value": {"hours": 6}}, timedelta(hours=6)),
        ({"__type__": "datetime.timedelta", "days": 1}, timedelta(days=1)),
        ({"type": "timedelta", "value": {"__type__": RELATIVE, "months": 1}}, relativedelta(months=1)),
        ({"__type__": RELATIVE, "months": 1, "days": -1}, relativedelta(months=1, days=-1)),
        ({"__type__": "airflow.timetables.interval.DeltaDataIntervalTimetable", "delta": HOUR}, timedelta(hours=1)),
        ({"__type__": "airflow.timetables.simple.OnceTimetable"}, "@once"),
        ({"__type__": "airflow.timetables.simple.NullTimetable"}, None),
        (["s3://bucket/data"], None),
        ({"datasets": ["s3://x"], "timetable": {"__type__": TRIGGER}}, None),
        ({"__type__": "airflow.timetables.events.EventsTimetable", "event_dates": []}, None),
    ],
)
def test_schedules(value: object, expected: object) -> None:
    """Every form that dag-factory has is read; those that Windsock cannot run become None."""
    assert parse_schedule(value) == expected


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        (
            {"__type__": INTERVALS, "cron": "@weekly", "timezone": "Europe/Berlin"},
            {"expression": "0 0 * * 0", "timezone": "Europe/Berlin"},
        ),
        (
            {"__type__": TRIGGER, "__args__": ["0 3 * * *"], "timezone": "UTC"},
            {"expression": "0 3 * * *", "timezone": "UTC", "interval": 0.0},
        ),
        (
            {
                "__type__": TRIGGER,
                "cron": "0 3 * * *",
                "timezone": {"__type__": "pendulum.timezone", "__args__": ["Asia/Kolkata"]},
                "interval": HOUR,
            },
            {"expression": "0 3 * * *", "timezone": "Asia/Kolkata", "interval": 3600.0},
        ),
        (
            {"__type__": DELTA_TRIGGER, "delta": {"__type__": RELATIVE, "months": 2}},
            {"delta": {"months": 2}, "interval": 0.0},
        ),
    ],
)
def test_timetables_are_serialized_as_airflow_2_does(value: dict[str, Any], fields: dict[str, Any]) -> None:
    """So the database tells other readers the same."""
    found = serialized(parse_schedule(value))
    assert found["timetable"] == {"__type": value["__type__"], "__var": fields}
    assert json.loads(column(parse_schedule(value))) == found["schedule_interval"]


def test_a_relativedelta_is_serialized() -> None:
    """In Airflow's own encoding."""
    delta = parse_schedule({"__type__": RELATIVE, "months": 1, "weeks": 1})
    parts = {"months": 1, "days": 7}
    assert serialized(delta) == {"schedule_interval": {"__type": "relativedelta", "__var": parts}}
    assert json.loads(column(delta)) == {"type": "relativedelta", "attrs": parts}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "not a schedule"),
        ("0 " * 1000, "not a schedule"),
        ({"__type__": RELATIVE, "months": 1.5}, "whole numbers"),
        ({"__type__": RELATIVE, "dt1": 1}, "whole numbers"),
        ({"__type__": RELATIVE, "year": 10**30, "weekday": 1}, "whole numbers"),
        ({"__type__": TRIGGER, "cron": "0 3 * * *"}, "needs the texts `cron` and `timezone`"),
        ({"__type__": TRIGGER, "cron": 3, "timezone": "UTC"}, "needs the texts `cron` and `timezone`"),
        ({"__type__": TRIGGER, "cron": "0 3 * * *", "timezone": "Mars"}, "unknown time zone 'Mars'"),
        ({"__type__": TRIGGER, "cron": "0 3 * * *", "timezone": "UTC", "interval": 5}, "5 is no interval"),
        ({"__type__": TRIGGER, "crom": "0 3 * * *", "timezone": "UTC"}, "takes cron, timezone, interval here"),
        ({"__type__": TRIGGER, "__args__": [1, 2, 3, 4]}, "takes cron, timezone, interval here"),
        ({"__type__": DELTA_TRIGGER}, "None is no interval"),
        ("every day", "'every day' is no cron expression, such as '30 6 \\* \\* 1-5', and none of @hourly, @daily, "),
        ("0 25 * * *", "no cron expression"),
        ("61 * * * *", "no cron expression"),
        ("0 2 * * * * * *", "no cron expression"),
        ("", "no cron expression"),
        ("@reboot", "no cron expression"),
        ("$UNSET", "no cron expression"),
        ("Dataset", "no cron expression"),
        ({"type": "cron", "value": "0 25 * * *"}, "no cron expression"),
        ({"__type__": TRIGGER, "cron": "0 25 * * *", "timezone": "UTC"}, "no cron expression"),
        ({"type": "cronn", "value": "0 2 * * *"}, "not 'cronn', did you mean `cron`"),
        ({"__type__": "datetime.timedelta", "microseconds": 1}, "at least one second"),
        ({"type": "timedelta", "value": {"milliseconds": 999}}, "at least one second"),
        ({"__type__": RELATIVE, "microseconds": 1}, "at least one second"),
        ({"__type__": DELTA_TRIGGER, "delta": {"__type__": RELATIVE, "microseconds": 1}}, "at least one second"),
    ],
)
def test_no_schedules(value: object, text: str) -> None:
    """What dag-factory would not make an object of is refused, in one sentence."""
    with pytest.raises(ValueError, match=text):
        parse_schedule(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (["s3://bucket/data"], "not data sets"),
        ({"datasets": ["s3://x"]}, "not data sets"),
        ("@continuous", "not @continuous"),
        ({"__type__": "mine.Timetable"}, "not mine.Timetable"),
        ({"__type__": "airflow.timetables.events.EventsTimetable"}, "not airflow.timetables.events.EventsTimetable"),
        ({"type": "assets", "value": []}, "not data sets"),
        ("0 0 31 2 *", "leads to no further date"),
        ("0 0 1 1 * 0 1999", "leads to no further date"),
        ({"__type__": TRIGGER, "cron": "0 0 31 2 *", "timezone": "UTC"}, "leads to no further date"),
        ({"__type__": "datetime.timedelta", "days": 0}, "leads to no further date"),
        ({"__type__": RELATIVE, "months": -1}, "leads to no further date"),
        ({"__type__": RELATIVE, "day": 1}, "leads to no further date"),
        ({"__type__": RELATIVE, "years": 10**9}, "leads to no further date"),
        ({"__type__": RELATIVE, "months": 1, "days": -28}, "from every day: not from 2025-01-31"),
        (
            {"__type__": DELTA_TRIGGER, "delta": {"__type__": RELATIVE, "years": 1, "days": -365}},
            "from every day: not from 2024-02-29",
        ),
        ({"__type__": DELTA_TRIGGER, "delta": {"__type__": "datetime.timedelta"}}, "leads to no further date"),
    ],
)
def test_what_cannot_be_run_is_said(value: object, text: str) -> None:
    """In one sentence, which the log and the API show."""
    problem = schedule_problem(value, "UTC", START)
    assert problem is not None
    assert text in problem


def test_a_schedule_may_begin_too_late() -> None:
    """The schedule itself is right, so the note is about its dates."""
    assert schedule_problem("@daily", "UTC", datetime(9999, 12, 31, tzinfo=UTC)) == "it leads to no further date"


@pytest.mark.parametrize(
    "value",
    [
        "@once",
        "0 0 29 2 *",
        "0 0 1 1 * 0 2023-2040",
        "* * * * * */5",
        "@MIDNIGHT",
        {"__type__": "datetime.timedelta", "seconds": 1},
        {"__type__": RELATIVE, "months": 1},
        {"__type__": RELATIVE, "months": 1, "day": 31},
        {"__type__": RELATIVE, "months": 1, "days": -27},
        {"__type__": RELATIVE, "hours": 1},
        {"__type__": RELATIVE, "years": 1, "month": 2, "day": 29},
        {"__type__": TRIGGER, "cron": "30 2 * * *", "timezone": "Europe/Berlin"},
        {"__type__": DELTA_TRIGGER, "delta": HOUR, "interval": HOUR},
        {"__type__": INTERVALS, "cron": "30 2 * * *", "timezone": "Europe/Berlin"},
    ],
)
def test_what_can_be_run(value: object) -> None:
    """If there is a start_date."""
    assert schedule_problem(value, "UTC", START) is None
    assert schedule_problem(value, "UTC", None) == "it needs a `start_date`"


def plan_of(**options: object) -> DagPlan:
    """Plan a DAG with these options."""
    task = {"operator": "airflow.operators.empty.EmptyOperator"}
    body = {"d": {"default_args": {"start_date": "2024-01-01"}, "tasks": {"t": task}, **options}}
    (only,) = plan_dags(read_document(yaml.safe_dump(body).encode()), "/dags/d.yaml")
    return only


def test_a_timetable_is_a_schedule() -> None:
    """It may have a key of its own; nothing is noted."""
    timetable = {"__type__": TRIGGER, "cron": "0 3 * * *", "timezone": "UTC"}
    for options in ({"timetable": timetable}, {"schedule": timetable}, {"schedule": None, "timetable": timetable}):
        made = plan_of(**options)
        assert made.schedule == parse_schedule(timetable)
        assert (made.schedule_problem, made.notes) == (None, [])
    with pytest.raises(DagFileError) as caught:
        plan_of(schedule="@daily", timetable=timetable)
    assert "a `schedule` or a `timetable`, not both" in caught.value.problems[0].text


def test_one_note_about_one_schedule() -> None:
    """An object of a type that nobody knows here is noted once."""
    (note,) = plan_of(schedule={"__type__": "mine.Timetable", "on": {"__type__": "mine.Day"}}).notes
    assert note.startswith("its schedule is not run: Windsock runs cron expressions")
