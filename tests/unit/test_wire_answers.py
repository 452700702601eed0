"""The shapes and texts that scripts written for Airflow 1.10 read."""

import pickle
import re
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import pytest

from server.wire import (
    Trigger,
    created_message,
    encode,
    graph_url,
    iso,
    latest_item,
    pool_item,
    render_ti,
    run_item,
    trigger_answer,
)

DATE = datetime(2020, 2, 1, tzinfo=UTC)
PRECISE = datetime(2024, 2, 3, 2, 5, 6, 123456, tzinfo=UTC)


def test_answers_are_sorted_utf8_with_a_newline() -> None:
    """Compact JSON, keys sorted at every level."""
    assert encode({"b": {"d": "ż", "c": None}, "a": 1}) == '{"a":1,"b":{"c":null,"d":"ż"}}\n'.encode()


def test_trigger_answer_of_a_given_date() -> None:
    """The three keys of the documentation, the date with a T; a warning only where there is one."""
    given = Trigger("r1", DATE.replace(tzinfo=timezone(timedelta(hours=5, minutes=30))), None, date_given=True)
    assert trigger_answer("d", given) == (
        b'{"execution_date":"2020-02-01T00:00:00+05:30","message":"Created <DagRun d @ 2020-02-01T00:00:00'
        b'+05:30: r1, externally triggered: True>","run_id":"r1"}\n'
    )
    assert trigger_answer("d", given, "paused").endswith(b'"run_id":"r1","warning":"paused"}\n')


def test_trigger_message_of_a_left_out_date() -> None:
    """With a space, as Airflow printed its own dates; regular expressions of the wild still match."""
    left_out = Trigger("r1", DATE, None, date_given=False)
    answer = trigger_answer("d", left_out).decode()
    assert "<DagRun d @ 2020-02-01 00:00:00+00:00: r1, externally triggered: True>" in answer
    assert re.search(r"Created <DagRun (\S+) @ (.+?): (.+), externally triggered: True>", answer)
    assert created_message("d", "x", "r") == "Created <DagRun d @ x: r, externally triggered: True>"


@pytest.mark.parametrize(
    ("generation", "date", "rbac", "prefix", "expected"),
    [
        (
            1,
            DATE,
            False,
            "",
            "/admin/airflow/graph?dag_id=d&execution_date=2020-02-01+00%3A00%3A00%2B00%3A00",
        ),
        (
            1,
            DATE,
            True,
            "/my/root",
            "/my/root/graph?dag_id=d&execution_date=2020-02-01+00%3A00%3A00%2B00%3A00",
        ),
        (2, PRECISE, False, "", "/dags/d/graph?execution_date=2024-02-03+02:05:06.123456%2B00:00"),
        (3, None, False, "http://h", "http://h/dags/d/runs/a%20b%2Fc"),
    ],
)
def test_graph_url(generation: int, date: datetime | None, rbac: bool, prefix: str, expected: str) -> None:  # noqa: FBT001 - a parameter of the table
    """Each Airflow's own path to a run."""
    assert graph_url(generation, "d", "a b/c", date, rbac=rbac, prefix=prefix) == expected


def test_items_of_lists() -> None:
    """A missing start_date is an empty string, a missing state null, and in Airflow 3 a date may be missing."""
    row = {"dag_id": "d", "execution_date": None, "id": 5, "run_id": "r", "start_date": None, "state": None}
    assert run_item(row, "/u") == {**row, "dag_run_url": "/u", "start_date": ""}
    dated = {**row, "execution_date": DATE, "start_date": PRECISE}
    assert latest_item(dated, "/u") == {
        "dag_id": "d",
        "dag_run_url": "/u",
        "execution_date": "2020-02-01T00:00:00+00:00",
        "start_date": "2024-02-03T02:05:06.123456+00:00",
    }
    assert iso(None) is None
    assert pool_item({"id": 1, "pool": "p", "slots": 2, "description": None, "include_deferred": False}) == {
        "description": None,
        "id": 1,
        "pool": "p",
        "slots": 2,
    }


def test_a_task_instance_is_all_strings() -> None:
    """str() of each value, as recorded; test_mode is no column and always False."""
    row = {
        "dag_id": "ref_setup",
        "duration": 0.310204,
        "end_date": None,
        "execution_date": DATE,
        "executor_config": bytes.fromhex("80047d942e"),
        "max_tries": 0,
        "start_date": PRECISE,
        "state": None,
        "hostname": "",
    }
    assert render_ti(row) == {
        "dag_id": "ref_setup",
        "duration": "0.310204",
        "end_date": "None",
        "execution_date": "2020-02-01 00:00:00+00:00",
        "executor_config": "{}",
        "max_tries": "0",
        "start_date": "2024-02-03 02:05:06.123456+00:00",
        "state": "None",
        "hostname": "",
        "test_mode": "False",
    }


@pytest.mark.parametrize(
    ("config", "shown"),
    [
        (pickle.dumps({"queue": "x"}), "{'queue': 'x'}"),
        ({}, "{}"),
        (None, "None"),
        (pickle.dumps({"f": Fraction(1)}), "(a pickle with STACK_GLOBAL)"),
        (b"junk", "(not a pickle of plain values)"),
    ],
)
def test_executor_config_is_shown_or_explained(config: object, shown: str) -> None:
    """Plain values as Python prints them; foreign objects are named, not made."""
    assert render_ti({"executor_config": config})["executor_config"] == shown
