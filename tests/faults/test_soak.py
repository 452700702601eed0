"""The soak: a short one passes, and its judgement sees what it is there to see."""

import dataclasses
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.soak.figures import Held, Rest, grown, unquiet
from tests.soak.ledger import Ledger, Trouble, Window
from tests.soak.report import report
from tests.soak.run import Plan, soak

DATE = "2020-01-01T00:00:00+00:00"
WARM = Held(0.0, 7, "worker", 300.0, 60 * 2**20, 20, 2)
QUIET = Rest(0, 0, 0, 4, 4, 6, 2)


@pytest.mark.slow
async def test_short_soak(tmp_path: Path) -> None:
    """Some seconds of load with a few faults: nothing is wrong, and the report says so."""
    outcome = await soak(tmp_path, Plan(seconds=15, every=3, rest_every=15, rate=60, seed=5))
    assert outcome.problems() == [], report(outcome)
    assert len(outcome.ledger.windows) >= 2
    assert len(outcome.ledger.answered) > 50
    assert "passed" in report(outcome)


async def test_lost_and_strange_runs_are_found(database: str) -> None:
    """A run that was answered and is not there, one of another date, and one that nobody asked for."""
    ledger = Ledger(answered={"lost": DATE, "moved": DATE}, sent={"lost", "moved"})
    conn = await asyncpg.connect(database)
    await conn.execute(
        "INSERT INTO dag_run (dag_id, run_id, execution_date, state)"
        " VALUES ('d', 'moved', '2021-01-01', 'running'), ('d', 'strange', '2022-01-01', 'running')"
    )
    await ledger.compare(conn)
    await conn.close()
    assert [word for word in ("lost", "moved", "strange") for problem in ledger.problems if word in problem] == [
        "lost",
        "moved",
        "strange",
    ]


def test_failures_need_a_cause() -> None:
    """A 503 is excused while the database is away, and not before, after, or while something else is broken."""
    window = Window("postgres_killed", 10.0, 12.0, 13.0, frozenset({503}))
    excused = Trouble("trigger", 503, 11.0, 11.5)
    early, late, other = (
        Trouble("trigger", 503, 8.0, 9.0),
        Trouble("trigger", 503, 16.0, 17.0),
        Trouble("state", 0, 11.0, 11.5),
    )
    assert Ledger(troubles=[excused], windows=[window]).unexcused() == []
    left = Ledger(troubles=[excused, early, late, other], windows=[window]).unexcused()
    assert left == ["2 x trigger ended with 503 without cause", "1 x state ended with 0 without cause"]


def test_unexpected_statuses_are_problems() -> None:
    """A status that is no answer to such a request is one whatever is broken."""
    ledger = Ledger()
    ledger.answer("state", 404, 0.0, frozenset({200}))
    ledger.stuck("state", 0.0)
    assert len(ledger.problems) == 2


@pytest.mark.parametrize(
    "change",
    [{"resident": 90 * 2**20}, {"descriptors": 40}, {"threads": 9}],
)
def test_growth_is_found(change: dict[str, Any]) -> None:
    """More memory, descriptors or threads than when the process was warm; what it holds while young does not count."""
    assert grown([WARM, dataclasses.replace(WARM, age=900.0)]) == []
    assert grown([dataclasses.replace(WARM, age=10.0, resident=1), dataclasses.replace(WARM, age=900.0)]) == []
    assert len(grown([WARM, dataclasses.replace(WARM, age=900.0, **change)])) == 1


@pytest.mark.parametrize("change", [{"in_flight": 1}, {"waiting": 1}, {"busy": 1}, {"open": 5}, {"tasks": 20}])
def test_unrest_is_found(change: dict[str, int]) -> None:
    """What is still under way, held or left over while nobody asks for anything."""
    assert unquiet([QUIET, QUIET]) == []
    assert len(unquiet([QUIET, dataclasses.replace(QUIET, **change)])) == 1
