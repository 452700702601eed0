"""What happens next in a run, as a function of states and time."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from server.database.serialized import SerializedDag
from server.standalone.scheduler.decide import Instance, Run, decide
from server.standalone.scheduler.graph import Graph
from server.standalone.scheduler.states import State

NOW = datetime(2024, 1, 2, tzinfo=UTC)
RUN = Run("r", datetime(2024, 1, 1, tzinfo=UTC), NOW - timedelta(minutes=5))
LONG_AGO = NOW - timedelta(days=1)
S, F, K = State.SUCCESS, State.FAILED, State.SKIPPED


def graph(tasks: dict[str, dict[str, Any]], **dag: object) -> Graph:
    """Make a DAG; a task's `above` are the tasks above it, `empty` makes it do nothing."""
    fields = []
    for task_id, options in tasks.items():
        below = sorted(other for other, its in tasks.items() if task_id in its.get("above", ()))
        name, module = (
            ("DummyOperator", "dummy_operator") if options.get("empty") else ("BashOperator", "bash_operator")
        )
        own = {key: value for key, value in options.items() if key not in {"above", "empty"}}
        kind = {"_task_type": name, "_task_module": f"airflow.operators.{module}"}
        fields.append({"task_id": task_id, "_downstream_task_ids": below, **kind, **own})
    return Graph(SerializedDag("d", json.loads(json.dumps({"_dag_id": "d", "tasks": fields, **dag}))))


CHAIN = graph({"a": {}, "b": {"above": ["a"]}, "c": {"above": ["b"]}})


def test_the_first_tasks_are_scheduled() -> None:
    """Those without any above them; the others wait."""
    assert decide(CHAIN, RUN, {}, NOW).moves == {"a": State.SCHEDULED}


def test_a_chain_that_does_nothing_is_over_at_once() -> None:
    """All of it in one decision, and the run with it."""
    chain = graph({"a": {"empty": True}, "b": {"empty": True, "above": ["a"]}})
    decision = decide(chain, RUN, {}, NOW)
    assert (decision.moves, decision.run_state) == ({"a": S, "b": S}, S)


def test_a_failure_goes_down_the_chain() -> None:
    """What comes below a failure is upstream_failed, and so the run has failed."""
    decision = decide(CHAIN, RUN, {"a": Instance(F), "b": Instance(), "c": Instance()}, NOW)
    assert decision.moves == {"b": State.UPSTREAM_FAILED, "c": State.UPSTREAM_FAILED}
    assert (decision.run_state, decision.reason) == (F, "task_failure")


def test_only_the_last_tasks_say_how_a_run_ended() -> None:
    """A failure that a trigger rule caught is none of the run."""
    caught = graph({"a": {}, "b": {"above": ["a"], "trigger_rule": "all_done"}})
    assert decide(caught, RUN, {"a": Instance(F), "b": Instance(S)}, NOW).run_state is S
    assert decide(caught, RUN, {"a": Instance(S), "b": Instance(K)}, NOW).run_state is S


def test_a_paused_dag_starts_nothing() -> None:
    """Neither a first task nor a retry; what follows from what ran is still decided."""
    paused = Run("r", RUN.execution_date, NOW, paused=True)
    assert decide(CHAIN, paused, {}, NOW).moves == {}
    assert decide(CHAIN, paused, {"a": Instance(State.UP_FOR_RETRY, 1, NOW - timedelta(days=1))}, NOW).moves == {}
    assert decide(CHAIN, paused, {"a": Instance(F)}, NOW).run_state is F


def test_a_retry_waits_for_its_delay() -> None:
    """Then it is scheduled; until then the run is looked at again in time."""
    retried = graph({"a": {"retries": 1, "retry_delay": 60}})
    early = decide(retried, RUN, {"a": Instance(State.UP_FOR_RETRY, 1, NOW - timedelta(seconds=59))}, NOW)
    assert (early.moves, early.look_again) == ({}, NOW + timedelta(seconds=1))
    late = decide(retried, RUN, {"a": Instance(State.UP_FOR_RETRY, 1, NOW - timedelta(seconds=60))}, NOW)
    assert late.moves == {"a": State.SCHEDULED}


def test_a_run_that_takes_too_long_fails() -> None:
    """Whatever was begun and is not finished is skipped; before that the run is looked at again in time."""
    bounded = graph({"a": {}, "b": {"above": ["a"]}, "c": {}}, dagrun_timeout=300)
    instances = {"a": Instance(State.RUNNING), "b": Instance(), "c": Instance(S)}
    decision = decide(bounded, RUN, instances, NOW)
    assert (decision.moves, decision.run_state, decision.reason) == ({"a": K}, F, "timed_out")
    assert decide(bounded, RUN, instances, NOW - timedelta(seconds=1)).look_again == NOW


@pytest.mark.parametrize(
    ("before", "starts"),
    [(None, True), ({"a": S}, True), ({"a": K}, True), ({"a": F}, False), ({"a": None}, False), ({}, True)],
)
def test_depends_on_past(before: dict[str, State | None] | None, starts: bool) -> None:  # noqa: FBT001
    """The task waits until that of the run before has succeeded; the first run has none before it."""
    back = graph({"a": {"depends_on_past": True}})
    run = Run("r", RUN.execution_date, NOW, before=before)
    assert bool(decide(back, run, {}, NOW).moves) is starts


def test_wait_for_downstream() -> None:
    """The task also waits for those right below it in the run before."""
    back = graph({"a": {"wait_for_downstream": True}, "b": {"above": ["a"]}})
    for state, starts in ((State.RUNNING, False), (S, True)):
        run = Run("r", RUN.execution_date, NOW, before={"a": S, "b": state})
        assert bool(decide(back, run, {}, NOW).moves) is starts


def test_tasks_out_of_their_time() -> None:
    """A task that begins later, or ended before, is not part of the run, and nobody waits for it."""
    later = graph({"a": {"start_date": NOW.timestamp()}, "b": {"above": ["a"]}, "c": {"end_date": 0.0}})
    assert decide(later, RUN, {}, NOW).moves == {"b": State.SCHEDULED}
    assert decide(graph({"a": {"start_date": NOW.timestamp()}}), RUN, {}, NOW).run_state is S


def test_tasks_that_a_dag_lost() -> None:
    """Those that wait are removed, those that run may end."""
    decision = decide(CHAIN, RUN, {"a": Instance(S), "x": Instance(), "y": Instance(State.RUNNING)}, NOW)
    assert decision.moves == {"b": State.SCHEDULED, "x": State.REMOVED}


def test_a_lost_task_that_runs_is_waited_for() -> None:
    """The run is over when it has ended too; that it failed says nothing of the run, and it is not tried again."""
    done = {"a": Instance(S), "b": Instance(S), "c": Instance(S)}
    assert decide(CHAIN, RUN, {**done, "x": Instance(State.RUNNING)}, NOW).run_state is None
    decision = decide(CHAIN, RUN, {**done, "x": Instance(State.UP_FOR_RETRY, 1, NOW)}, NOW)
    assert (decision.moves, decision.run_state) == ({"x": State.REMOVED}, S)


@pytest.mark.parametrize("lost", [Instance(), Instance(State.REMOVED), Instance(State.UP_FOR_RETRY, 1, LONG_AGO)])
def test_a_run_waits_for_what_its_dag_lost_a_moment_ago(lost: Instance) -> None:
    """The file may have been read half; a while later the author must have meant it."""
    tasks = {"a": Instance(S), "b": lost}
    half = graph({"a": {}})
    half.changed_at = NOW - timedelta(seconds=29)
    decision = decide(half, RUN, tasks, NOW)
    assert (decision.run_state, decision.look_again) == (None, NOW + timedelta(seconds=1))
    assert decide(half, RUN, tasks, NOW + timedelta(seconds=1)).run_state is S
    assert decide(half, RUN, {"a": Instance(S), "b": Instance(F)}, NOW).run_state is S, "that one had ended"


def test_a_task_that_a_dag_has_again() -> None:
    """It is as good as new."""
    again = {"a": Instance(S), "b": Instance(State.REMOVED), "c": Instance(State.REMOVED)}
    decision = decide(CHAIN, RUN, again, NOW)
    assert (decision.moves, decision.run_state) == ({"b": State.SCHEDULED}, None)


def test_what_a_run_has_it_keeps() -> None:
    """Dates that the file changes meanwhile say which tasks a run begins with, not which of its own are done."""
    later = graph({"a": {"start_date": NOW.timestamp()}, "b": {"start_date": NOW.timestamp(), "above": ["a"]}})
    decision = decide(later, RUN, {"a": Instance(State.UP_FOR_RETRY, 1, LONG_AGO), "b": Instance()}, NOW)
    assert (decision.moves, decision.run_state) == ({"a": State.SCHEDULED}, None)
