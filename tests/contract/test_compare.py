"""The comparison itself: it passes what was recorded, and every kind of wrong answer turns it red."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.contract import cases
from tests.contract.cases import Case, Expect, Recorded, Request
from tests.contract.client import Answer
from tests.contract.compare import Clock, differences

BEGAN = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
CLOCK = Clock(BEGAN, BEGAN + timedelta(seconds=2))
JSON = {"content-type": "application/json"}
RUN = (
    '{"execution_date":"2026-11-22T12:04:22+00:00","message":"Created <DagRun d @ 2026-11-22 12:04:22+00:00: '
    'manual__2026-11-22T12:04:22+00:00, externally triggered: True>","run_id":"manual__2026-11-22T12:04:22+00:00"}'
)
RUNS = (
    '[{"dag_run_url":"/admin/airflow/graph?dag_id=d&execution_date=2020-01-05+00%3A00%3A00%2B00%3A00",'
    '"execution_date":"2020-01-05T00:00:00+00:00","id":4,"start_date":"2026-11-22T12:04:20.153520+00:00"},'
    '{"dag_run_url":"/admin/airflow/graph?dag_id=d&execution_date=2026-11-22+12%3A04%3A22%2B00%3A00",'
    '"execution_date":"2026-11-22T12:04:22+00:00","id":5,"start_date":""}]'
)
TASK = '{"executor":"None","job_id":"3","owner":"o","start_date":"2020-01-01T00:00:00+00:00","task_id":"t"}'
POOLS = '[{"id":1,"pool":"a"},{"id":2,"pool":"b"}]'
EITHER = 'like Airflow, or {"error": text}'


def case(
    body: str, kind: str = "json", status: int = 200, path: str = "dags/d/dag_runs", *, beyond: bool = False
) -> Case:
    """Make a case that Airflow answered with `body`."""
    allowed = [200, 400, 404] if kind == EITHER else [status]
    request = Request("GET", f"/api/experimental/{path}", {}, None)
    return Case(
        "made up", request, Recorded(status, body, "application/json"), None, Expect(allowed, kind), beyond=beyond
    )


def answer(body: str, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """Make an answer in JSON."""
    return Answer(status, JSON if headers is None else headers, body.encode())


RECORDED = [
    one
    for one in cases.load()
    if one.expect
    and one.airflow
    and one.airflow.content_type == "application/json"
    and one.airflow.status in one.expect.status
    and one.expect.body in {"json", "same error text", EITHER}
    and "..." not in one.airflow.body[-30:]
    and one.name != "health (not of the API)"
]


@pytest.mark.parametrize("one", RECORDED, ids=lambda one: one.name)
def test_what_airflow_answered_passes(one: Case) -> None:
    """A recorded answer is within its own case, and is no longer so with another status or no body."""
    assert one.airflow is not None
    recorded = answer(one.airflow.body, one.airflow.status)
    assert differences(one, recorded, CLOCK) == []
    assert differences(one, answer(one.airflow.body, 500), CLOCK)
    assert differences(one, answer("", one.airflow.status), CLOCK)
    assert differences(one, answer("<html>", one.airflow.status), CLOCK)


@pytest.mark.parametrize(
    ("recorded", "answered"),
    [
        (RUN, RUN.replace("2026-11-22", "2031-05-06").replace("12:04:22", "07:08:10")),
        (RUN, RUN.replace('"}', '","warning":"paused"}')),
        (RUNS, RUNS.replace("/admin/airflow/graph", "/graph").replace('"id":4', '"id":900')),
        (RUNS, RUNS.replace("12:04:20.153520", "13:28:34.000001")),
        (TASK, TASK.replace('"executor":"None",', "").replace('"3"', '"77"')),
        ('{"count":3,"message":"Removed 3 record(s)"}', '{"count":5,"message":"Removed 5 record(s)"}'),
    ],
)
def test_what_the_contract_forgives(recorded: str, answered: str) -> None:
    """Ids, clock times, the graph's two addresses, attributes that are not serialized, counts and added keys."""
    assert differences(case(recorded), answer(answered), CLOCK) == []


@pytest.mark.parametrize(
    ("recorded", "answered"),
    [
        (RUN, RUN.replace("2026-11-22", "2031-05-06").replace("12:04:22", "09:08:10")),
        (RUN, RUN.replace("12:04:22", "12:04:22.5")),
        (RUN, RUN.replace("@ 2026-11-22 12", "@ 2026-11-22T12")),
        (RUN, RUN.replace("True", "False")),
        (RUN, RUN.replace("+00:00", "Z")),
        (RUN, RUN.replace('"run_id"', '"run"')),
        (RUNS, RUNS.replace("2020-01-05T", "2020-01-06T")),
        (RUNS, RUNS.replace("2020-01-05+00", "2020-01-05 00")),
        (RUNS, RUNS.replace('"id":4', '"id":"4"')),
        (RUNS, RUNS.replace('"start_date":""', '"start_date":null')),
        (RUNS, RUNS.replace("12:04:20.153520", "12:04:20")),
        (RUNS, json.dumps(json.loads(RUNS)[:1], sort_keys=True)),
        (RUNS, json.dumps(json.loads(RUNS)[::-1], sort_keys=True)),
        (TASK, TASK.replace('"o"', '"p"')),
        (TASK, TASK.replace('"o"', "null")),
        (TASK, TASK.replace('"owner":"o",', "")),
        (TASK, TASK.replace('"3"', '"None"')),
        (TASK, TASK.replace("2020-01-01T", "2020-01-01 ")),
        ('{"is_paused":true}', '{"is_paused":1}'),
        ('{"is_paused":true}', '{"z":1,"is_paused":true}'),
        ('{"is_paused":true}', '{"is_paused":true} x'),
        ('{"slots":1}', '{"slots":NaN}'),
        ('{"slots":1}', '{"slots":1.0}'),
        ('{"count":3,"message":"Removed 3 record(s)"}', '{"count":3,"message":"Removed 3 records"}'),
    ],
)
def test_what_the_contract_does_not_forgive(recorded: str, answered: str) -> None:
    """Another value, type, form or order, a missing key, keys that are not sorted, what is no JSON."""
    assert recorded != answered
    assert differences(case(recorded), answer(answered), CLOCK)


def test_order_matters_only_where_it_is_documented() -> None:
    """Pools and latest runs compare as sets, in which an element may not stand in for another."""
    turned = json.dumps(json.loads(POOLS)[::-1])
    assert differences(case(POOLS, path="pools"), answer(turned), CLOCK) == []
    assert differences(case(POOLS, path="dags/d/dag_runs"), answer(turned), CLOCK)
    assert differences(case(POOLS, path="pools"), answer(turned.replace("b", "a")), CLOCK)


def test_errors() -> None:
    """The same text where it is asked for, else any text, always in JSON and with the right status."""
    same = case('{"error":"Dag id x not found"}', "same error text", 404)
    assert differences(same, answer('{"error":"Dag id x not found"}', 404), CLOCK) == []
    assert differences(same, answer('{"error":"Dag id y not found"}', 404), CLOCK)
    own = case("<html>", '{"error": text}', 404)
    assert differences(own, answer('{"error":"no such route","request_id":"1"}', 404), CLOCK) == []
    for body in ('{"error":""}', '{"error":1}', '{"message":"x"}', '"error"', "no such route", ""):
        assert differences(own, answer(body, 404), CLOCK), body
    assert differences(own, answer('{"error":"no such route"}', 404, {"content-type": "text/html"}), CLOCK)
    assert differences(own, answer('{"error":"no such route"}', 400), CLOCK)


def test_a_405_says_what_is_allowed() -> None:
    """A 405 without `Allow` is wrong."""
    wrong_method = case("<html>", '{"error": text}', 405)
    assert differences(wrong_method, answer('{"error":"x"}', 405), CLOCK)
    assert differences(wrong_method, answer('{"error":"x"}', 405, {**JSON, "allow": "GET"}), CLOCK) == []


def test_like_airflow_or_an_error() -> None:
    """A success must be Airflow's; where Airflow has an error, only marked cases may succeed."""
    fine = case('{"state":null}', EITHER)
    assert differences(fine, answer('{"state":null}'), CLOCK) == []
    assert differences(fine, answer('{"error":"no"}', 400), CLOCK) == []
    assert differences(fine, answer('{"state":"x"}'), CLOCK)
    assert differences(fine, answer("no", 400), CLOCK)
    assert differences(case("<html>", EITHER, 500), answer("{}"), CLOCK)
    assert differences(case("<html>", EITHER, 500, beyond=True), answer("{}"), CLOCK) == []
    assert differences(case("<html>", EITHER, 500, beyond=True), answer("<html>"), CLOCK)


def test_texts_and_empty_bodies() -> None:
    """A text is the DAG's source where that is known; an empty body has no byte."""
    assert differences(case("(the source)", "text"), answer("source"), CLOCK, "source") == []
    assert differences(case("(the source)", "text"), answer("other"), CLOCK, "source")
    assert differences(case("(the source)", "text"), answer(" "), CLOCK)
    assert differences(case("", "empty"), answer(""), CLOCK) == []
    assert differences(case("", "empty"), answer("\n"), CLOCK)
    assert differences(case("", "surprise"), answer(""), CLOCK)


def test_a_write_that_others_build_on_must_not_break_the_server() -> None:
    """With `replay_only` nothing is expected, but never a 5xx."""
    only = Case("made up", Request("POST", "/", {}, "{}"), replay_only=True)
    assert differences(only, answer("{}", 400), CLOCK) == []
    assert differences(only, answer("{}", 503), CLOCK)
