"""Batching: who shares a statement, who waits, and who fails with whom."""

import asyncio
import gc
from collections.abc import Callable, Sequence

import asyncpg
import pytest

from server.database import batch
from server.database.batch import Batcher, Pace
from server.errors import Locked, Unavailable
from tests.until import until

FOR_EVER = 3600.0


class Recorder:
    """Answers each key with its double, notes the batches, and can be held and made to fail."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.bad: set[int] = set()

    async def run(self, keys: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(keys))
        await self.gate.wait()
        if self.bad.intersection(keys):
            raise asyncpg.DataError("bad key")
        return [key * 2 for key in keys]


def batcher(
    recorder: Recorder, *, size: int = 10, in_flight: int = 1, queue_limit: int = 100, pace: Pace | None = None
) -> Batcher[int, int]:
    return Batcher(
        "recorded", recorder.run, size=size, in_flight=in_flight, queue_limit=queue_limit, pace=pace or Pace()
    )


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_each_caller_gets_the_answer_to_its_own_key() -> None:
    """Results come back in the order of the keys."""
    ask = batcher(Recorder(), size=3)
    assert await asyncio.gather(*map(ask, range(10))) == [key * 2 for key in range(10)]


async def test_requests_of_one_turn_share_a_statement() -> None:
    """What is asked in the same turn of the loop goes out together."""
    recorder = Recorder()
    await asyncio.gather(*map(batcher(recorder), range(5)))
    assert recorder.batches == [[0, 1, 2, 3, 4]]


async def test_a_lone_request_waits_for_nobody() -> None:
    """With nothing under way a statement starts at the next turn of the loop."""
    recorder = Recorder()
    recorder.gate.clear()
    task = asyncio.ensure_future(batcher(recorder)(1))
    for _ in range(3):
        await asyncio.sleep(0)
    assert recorder.batches == [[1]]
    recorder.gate.set()
    assert await task == 2


async def test_what_arrives_during_a_statement_goes_into_the_next() -> None:
    """A statement never serves a request that arrived after it began: its snapshot would be too old."""
    recorder = Recorder()
    recorder.gate.clear()
    ask = batcher(recorder)
    first = asyncio.ensure_future(ask(1))
    await turns()
    later = [asyncio.ensure_future(ask(key)) for key in (2, 3)]
    await turns()
    assert recorder.batches == [[1]]
    recorder.gate.set()
    assert await asyncio.gather(first, *later) == [2, 4, 6]
    assert recorder.batches == [[1], [2, 3]]


async def test_no_statement_exceeds_its_size_and_no_more_run_than_allowed() -> None:
    """`size` bounds the keys of a statement, `in_flight` the statements."""
    recorder = Recorder()
    recorder.gate.clear()
    ask = batcher(recorder, size=2, in_flight=2)
    tasks = [asyncio.ensure_future(ask(key)) for key in range(7)]
    await turns()
    assert recorder.batches == [[0, 1], [2, 3]]
    recorder.gate.set()
    await asyncio.gather(*tasks)
    assert [len(batch) for batch in recorder.batches] == [2, 2, 2, 1]


async def test_another_statement_begins_when_it_is_worth_while() -> None:
    """While one is under way, few keys wait for its end, many do not."""
    recorder = Recorder()
    recorder.gate.clear()
    ask = batcher(recorder, size=100, in_flight=2, pace=Pace(patience=FOR_EVER))
    tasks = [asyncio.ensure_future(ask(0))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for few_more in (range(1, 21), range(21, 41)):
        tasks += [asyncio.ensure_future(ask(key)) for key in few_more]
        for _ in range(3):
            await asyncio.sleep(0)
        assert [len(batch) for batch in recorder.batches] == ([1] if few_more[-1] == 20 else [1, 40])
    recorder.gate.set()
    assert await asyncio.gather(*tasks) == [key * 2 for key in range(41)]


async def test_few_do_not_wait_for_a_statement_that_takes_long() -> None:
    """What one statement waits for, a lock for instance, must not hold up the others."""
    recorder = Recorder()
    recorder.gate.clear()
    ask = batcher(recorder, in_flight=2)
    tasks = [asyncio.ensure_future(ask(0))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks.append(asyncio.ensure_future(ask(1)))
    await until(lambda: len(recorder.batches) == 2)
    assert not tasks[0].done()
    recorder.gate.set()
    assert await asyncio.gather(*tasks) == [0, 2]


async def test_the_next_statement_waits_for_those_who_were_answered() -> None:
    """They come back at about the same time; one statement for all of them is cheaper than one for the first."""
    recorder = Recorder()
    ask = batcher(recorder, pace=Pace(return_time=FOR_EVER))
    await asyncio.gather(*map(ask, range(3)))
    tasks = [asyncio.ensure_future(ask(3))]
    await turns()
    assert recorder.batches == [[0, 1, 2]]
    tasks += [asyncio.ensure_future(ask(key)) for key in (4, 5)]
    await turns()
    assert recorder.batches == [[0, 1, 2], [3, 4, 5]]
    assert await asyncio.gather(*tasks) == [6, 8, 10]


async def test_it_waits_for_those_who_asked_meanwhile_too() -> None:
    """Who was answered joins who had been waiting."""
    recorder = Recorder()
    recorder.gate.clear()
    ask = batcher(recorder, pace=Pace(return_time=FOR_EVER))
    first = asyncio.ensure_future(ask(0))
    await turns()
    second = asyncio.ensure_future(ask(1))
    await turns()
    recorder.gate.set()
    await first
    assert list(await asyncio.gather(second, ask(2))) == [2, 4]
    assert recorder.batches == [[0], [1, 2]]


async def test_nobody_waits_long_for_one_who_does_not_ask_again() -> None:
    """A few milliseconds, and the next lone request none at all."""
    recorder = Recorder()
    ask = batcher(recorder)
    await asyncio.gather(*map(ask, range(3)))
    async with asyncio.timeout(5):
        assert await ask(3) == 6
    recorder.gate.clear()
    task = asyncio.ensure_future(ask(4))
    await turns()
    assert recorder.batches == [[0, 1, 2], [3], [4]]
    recorder.gate.set()
    assert await task == 8


async def test_the_timer_ends_the_waiting_whatever_the_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uvloop's clock counts milliseconds, and a timer may fire before it has come to its time."""
    recorder = Recorder()
    ask = batcher(recorder, pace=Pace(return_time=FOR_EVER))
    await asyncio.gather(*map(ask, range(3)))
    loop = asyncio.get_running_loop()
    timers: list[Callable[[], object]] = []

    def call_at(_when: float, callback: Callable[[], object]) -> asyncio.Handle:
        timers.append(callback)
        return asyncio.Handle(callback, (), loop)

    monkeypatch.setattr(loop, "call_at", call_at)
    task = asyncio.ensure_future(ask(3))
    await turns()
    assert recorder.batches == [[0, 1, 2]]
    (early,) = timers
    early()
    await turns()
    assert recorder.batches == [[0, 1, 2], [3]]
    assert await task == 6


async def test_later_a_lone_request_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who shared a statement a while ago are not expected any more."""
    recorder = Recorder()
    ask = batcher(recorder)
    await asyncio.gather(*map(ask, range(3)))
    loop = asyncio.get_running_loop()
    later = loop.time() + 0.05
    monkeypatch.setattr(loop, "time", lambda: later)
    recorder.gate.clear()
    task = asyncio.ensure_future(ask(3))
    await turns()
    assert recorder.batches == [[0, 1, 2], [3]]
    recorder.gate.set()
    assert await task == 6


async def test_a_bad_key_fails_alone() -> None:
    """When Postgres rejects a statement, its keys are tried one by one."""
    recorder = Recorder()
    recorder.bad = {3}
    results = await asyncio.gather(*map(batcher(recorder), range(5)), return_exceptions=True)
    assert results[:3] == [0, 2, 4]
    assert isinstance(results[3], asyncpg.DataError)
    assert results[4] == 8


@pytest.mark.parametrize("results", [[2, 4], [2, 4, 6, 8], []])
async def test_results_that_cannot_be_told_apart_are_nobodys(results: list[int]) -> None:
    """With one too many or too few nobody gets what may be another's, and nobody waits for ever."""

    async def run(_keys: Sequence[int]) -> Sequence[int]:
        return results

    ask: Batcher[int, int] = Batcher("some", run, size=10, in_flight=1, queue_limit=100)
    async with asyncio.timeout(5):
        answers = await asyncio.gather(*map(ask, (1, 2, 3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [RuntimeError] * 3


async def test_who_went_away_is_not_tried_again() -> None:
    """When a statement fails, those who still wait are tried one by one."""
    recorder = Recorder()
    recorder.gate.clear()
    recorder.bad = {3}
    tasks = [asyncio.ensure_future(batcher_ask) for batcher_ask in map(batcher(recorder), (1, 2, 3))]
    await turns()
    tasks[0].cancel()
    recorder.gate.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [asyncio.CancelledError, int, asyncpg.DataError]
    assert recorder.batches == [[1, 2, 3], [2], [3]]


class Lock:
    """Answers each key with its double; statements with locked keys wait until they are let go, and then fail."""

    def __init__(self, *locked: int) -> None:
        self.locked = frozenset(locked)
        self.batches: list[list[int]] = []
        self.waiting = self.most = 0
        self.gate = asyncio.Event()

    async def run(self, keys: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(keys))
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        try:
            await asyncio.sleep(0)
            if self.locked.intersection(keys):
                if len(keys) == 1:
                    await self.gate.wait()
                raise Locked("locked")
        finally:
            self.waiting -= 1
        return [key * 2 for key in keys]


@pytest.mark.parametrize("in_flight", [1, 2, 3])
async def test_those_of_a_failed_statement_take_turns(in_flight: int) -> None:
    """One by one they are no more statements at a time than any others: connections are left for everything else."""
    lock = Lock(*range(0, 50, 7))
    lock.gate.set()
    ask: Batcher[int, int] = Batcher("some", lock.run, size=50, in_flight=in_flight, queue_limit=100)
    answers = await asyncio.gather(*map(ask, range(50)), return_exceptions=True)
    assert [type(answer) is Locked for answer in answers] == [key % 7 == 0 for key in range(50)]
    assert [answer for answer in answers if type(answer) is int] == [key * 2 for key in range(50) if key % 7]
    assert lock.most == in_flight
    assert len(lock.batches) == 51


async def test_one_that_is_locked_holds_up_no_other() -> None:
    """While it waits again, those that failed with it have their answers, and so has who comes later."""
    lock = Lock(0)
    ask: Batcher[int, int] = Batcher("some", lock.run, size=10, in_flight=2, queue_limit=100)
    locked, *others = (asyncio.ensure_future(ask(key)) for key in range(5))
    assert await asyncio.gather(*others) == [2, 4, 6, 8]
    assert await ask(5) == 10
    assert not locked.done()
    lock.gate.set()
    with pytest.raises(Locked):
        await locked


async def test_where_all_is_locked_nobody_waits_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table, say: who has had no turn when its time is over is told that nothing was done."""
    lock = Lock(*range(50))
    ask: Batcher[int, int] = Batcher("some", lock.run, size=50, in_flight=2, queue_limit=100, pace=Pace(locked=60))
    tasks = [asyncio.ensure_future(ask(key)) for key in range(50)]
    await until(lambda: len(lock.batches) == 3)
    loop = asyncio.get_running_loop()
    over = loop.time() + 61
    monkeypatch.setattr(loop, "time", lambda: over)
    lock.gate.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Locked] * 50
    assert lock.batches == [list(range(50)), [0], [1]]


async def test_a_lost_database_fails_the_whole_batch_once() -> None:
    """What may have been committed is not sent again."""
    sent = 0

    async def run(_keys: Sequence[int]) -> Sequence[int]:
        nonlocal sent
        sent += 1
        raise Unavailable("gone")

    ask: Batcher[int, int] = Batcher("some", run, size=10, in_flight=1, queue_limit=100)
    results = await asyncio.gather(*map(ask, range(5)), return_exceptions=True)
    assert all(isinstance(result, Unavailable) for result in results)
    assert sent == 1


async def test_a_full_queue_refuses_at_once() -> None:
    """Memory stays bounded: beyond the limit the answer is 503."""
    recorder = Recorder()
    recorder.gate.clear()
    ask = batcher(recorder, size=1, queue_limit=2)
    running = asyncio.ensure_future(ask(0))
    await turns()
    waiting = [asyncio.ensure_future(ask(key)) for key in (1, 2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as caught:
        await ask(3)
    assert caught.value.headers == {"Retry-After": "1"}
    recorder.gate.set()
    assert await asyncio.gather(running, *waiting) == [0, 2, 4]


async def test_cancelled_callers_leak_nothing_and_hold_up_nobody() -> None:
    """A caller that goes away while it waits is left out; one whose statement runs is forgotten."""
    recorder = Recorder()
    recorder.gate.clear()
    ask = batcher(recorder)
    tasks = [asyncio.ensure_future(ask(key)) for key in range(3)]
    await turns()
    late = [asyncio.ensure_future(ask(key)) for key in (7, 8)]
    await turns()
    tasks[1].cancel()
    late[0].cancel()
    await asyncio.sleep(0)
    recorder.gate.set()
    results = await asyncio.gather(*tasks, *late, return_exceptions=True)
    assert [result for result in results if not isinstance(result, BaseException)] == [0, 4, 16]
    assert recorder.batches == [[0, 1, 2], [8]]
    assert ask.waiting == 0


async def test_figures_outlive_their_batchers() -> None:
    """After a migration others take their place: counters never go back."""
    ask = batcher(Recorder())
    before = batch.batch_figures()["recorded"]
    await asyncio.gather(*map(ask, range(3)))
    del ask
    gc.collect()
    assert batch.batch_figures()["recorded"] == (before[0] + 1, before[1] + 3, 0)
