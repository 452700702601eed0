"""Which runs a look asks for, and who is woken, whatever the order of events."""

import asyncio
import random

import pytest

from server.database import run_waiters
from server.database.run_waiters import Waiter, Waiters


@pytest.mark.parametrize("seed", range(20))
async def test_each_run_is_asked_for(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new run is in the next look, and each run in one of the next looks, while others come, go and end."""
    monkeypatch.setattr(run_waiters, "_LEAST_PART", 3)
    rng = random.Random(seed)  # noqa: S311 - the same order of events each time
    waiters, there = Waiters(), list[Waiter]()
    age: dict[int, int] = {}
    for step in range(300):
        waiter = waiters.add(dict.fromkeys(rng.sample(range(200), rng.randrange(1, 4)), "running"))
        there.append(waiter)
        new = set(waiter.runs)
        if rng.random() < 0.4:
            waiters.leave(there.pop(rng.randrange(len(there))))
        if rng.random() < 0.3:
            waiters.wake(rng.sample(range(200), 5))
        watched = {run for one in there for run in one.runs}
        assert len(waiters) == len(watched)
        due = waiters.take_due(everything=step % 50 == 49)
        assert set(due) <= watched
        assert new & watched <= set(due)
        age = {run: 0 if run in due else age.get(run, 0) + 1 for run in watched}
        # A round may have begun with more runs than there are now.
        assert max(age.values(), default=0) <= 2 * run_waiters._PARTS
        there = [one for one in there if not one.woken.done()]
    assert set(waiters.take_due(everything=True)) == {run for one in there for run in one.runs}
    waiters.wake_all()
    assert all(one.woken.done() for one in there)
    assert len(waiters) == 0


async def test_a_waiter_is_woken_by_the_last_of_its_runs() -> None:
    """All of its runs must have ended; others are not woken."""
    waiters = Waiters()
    both, one = waiters.add({1: "running", 2: None}), waiters.add({1: "running"})
    waiters.wake([1, 7])
    await asyncio.sleep(0)
    assert (both.woken.done(), one.woken.done()) == (False, True)
    waiters.leave(one)
    waiters.wake([2])
    assert both.woken.done()
    assert len(waiters) == 0
