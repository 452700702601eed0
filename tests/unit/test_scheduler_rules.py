"""Trigger rules, transitions, limits, delays."""

from datetime import timedelta

import pytest

from server.standalone.dags.spec import TriggerRule
from server.standalone.scheduler.limits import Demand, Limits
from server.standalone.scheduler.retries import retry_delay
from server.standalone.scheduler.rules import RULES, Verdict, judge
from server.standalone.scheduler.states import FINISHED, TRANSITIONS, State, after_failure, check_transition

S, F, K, U = State.SUCCESS, State.FAILED, State.SKIPPED, State.UPSTREAM_FAILED
RUN, SKIP, WAIT, UPSTREAM_FAILED = Verdict.RUN, Verdict.SKIP, Verdict.WAIT, Verdict.UPSTREAM_FAILED


def test_every_rule_of_a_dag_file_is_known() -> None:
    """What a file may say can be judged."""
    assert set(RULES) == set(TriggerRule.__args__)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("rule", "above", "verdict"),
    [
        ("all_success", [S, S], RUN),
        ("all_success", [S, None], WAIT),
        ("all_success", [F, None], UPSTREAM_FAILED),
        ("all_success", [U, K], UPSTREAM_FAILED),
        ("all_success", [K, None], WAIT),
        ("all_success", [K, S], SKIP),
        ("all_failed", [F, U], RUN),
        ("all_failed", [F, None], WAIT),
        ("all_failed", [S, None], SKIP),
        ("all_failed", [K, F], SKIP),
        ("all_done", [F, S, K, U], RUN),
        ("all_done", [F, State.UP_FOR_RETRY], WAIT),
        ("one_success", [S, None], RUN),
        ("one_success", [F, None], WAIT),
        ("one_success", [F, K], UPSTREAM_FAILED),
        ("one_success", [K, K], SKIP),
        ("one_failed", [F, None], RUN),
        ("one_failed", [U, S], RUN),
        ("one_failed", [S, K], SKIP),
        ("none_failed", [S, K], RUN),
        ("none_failed", [K, K], RUN),
        ("none_failed", [F, None], UPSTREAM_FAILED),
        ("none_failed_or_skipped", [S, K], RUN),
        ("none_failed_or_skipped", [K, K], SKIP),
        ("none_failed_or_skipped", [U, S], UPSTREAM_FAILED),
        ("none_skipped", [S, F], RUN),
        ("none_skipped", [K, None], SKIP),
        ("none_skipped", [S, State.RUNNING], WAIT),
        ("one_done", [S, None], RUN),
        ("one_done", [F, None], RUN),
        ("one_done", [K, U, None], WAIT),
        ("one_done", [K, U], SKIP),
        ("all_skipped", [K, K], RUN),
        ("all_skipped", [K, None], WAIT),
        ("all_skipped", [S, None], SKIP),
        ("all_skipped", [U, K], SKIP),
        ("dummy", [None], RUN),
        ("all_success", [], RUN),
        ("one_failed", [], RUN),
        ("all_success", [State.REMOVED, S], RUN),
        ("one_success", [State.REMOVED], RUN),
    ],
)
def test_rules(rule: str, above: list[State | None], verdict: Verdict) -> None:
    """What each rule makes of the states above; failures count at once, skips of all_success at the end."""
    assert judge(rule, above) is verdict


def test_the_table_is_whole() -> None:
    """Every state has its row, and what is finished stays so."""
    assert set(TRANSITIONS) == {None, *State}
    assert {S, F, K, U, State.REMOVED} == FINISHED


@pytest.mark.parametrize(("before", "after"), [(S, State.RUNNING), (None, State.RUNNING), (State.QUEUED, S)])
def test_other_transitions_are_refused(before: State | None, after: State) -> None:
    """There is no way around the table."""
    with pytest.raises(ValueError, match="no transition"):
        check_transition(before, after)


def test_tries() -> None:
    """With two retries there are three tries."""
    assert [after_failure(number, 2) for number in (1, 2, 3)] == [State.UP_FOR_RETRY, State.UP_FOR_RETRY, F]
    assert after_failure(1, 0) is F


def test_a_plain_delay_stays_the_same() -> None:
    """Without backoff every retry waits as long."""
    minute = timedelta(minutes=1)
    assert retry_delay(minute, 7, exponential=False, longest=timedelta(0), seed="x") == minute


@pytest.mark.parametrize("tries", [1, 2, 3, 10, 2000])
def test_exponential_backoff(tries: int) -> None:
    """The delay doubles, has up to as much added, never exceeds the limit, and is the same for whoever asks."""
    longest = timedelta(hours=1)
    delays = {retry_delay(timedelta(seconds=3), tries, exponential=True, longest=longest, seed="a") for _ in "ab"}
    (delay,) = delays
    base = min(3 * 2 ** min(tries - 1, 40), 3600)
    assert base <= delay.total_seconds() <= min(2 * base, 3600)


def test_exponential_backoff_is_airflows() -> None:
    """To the second what Airflow 1.10.15 computes for a task that failed in its first, second and third try."""
    seed = "d#t#2024-01-01 00:00:00+00:00"
    delays = [
        retry_delay(timedelta(minutes=5), tries, exponential=True, longest=None, seed=seed).total_seconds()
        for tries in (1, 2, 3)
    ]
    assert delays == [517, 918, 1941]


def test_no_delay_stays_none() -> None:
    """A delay of 0 may be doubled as often as one likes."""
    assert retry_delay(timedelta(0), 3, exponential=True, longest=None, seed="a") < timedelta(seconds=1)


def test_limits() -> None:
    """A choice fills each pool, DAG and task to its limit and goes on with what still fits."""
    limits = Limits(parallelism=4, pools={"a": 3, "b": 9}, dags={"d": 2}, tasks={("e", "t"): 1})
    demands = [
        Demand("d", "1", "a", 2),
        Demand("d", "2", "a", 2),  # no slots left for two
        Demand("d", "3", "a", 1),
        Demand("d", "4", "b", 1),  # the DAG is full
        Demand("e", "t", "b", 1),
        Demand("e", "t", "b", 1),  # the task is
        Demand("e", "u", "nowhere", 1),
        Demand("e", "v", "b", 1),
        Demand("e", "w", "b", 1),  # parallelism
    ]
    assert limits.choose(demands) == [0, 2, 4, 7]
    assert (limits.free, limits.open_pools, limits.full_dags) == (0, ["b"], ["d"])
