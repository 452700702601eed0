"""What is remembered and shared: bounds hold, one call serves all who ask, and nobody's leaving is felt by others."""

import asyncio
import time
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.caching.bounded import BoundedMap
from server.caching.recent import Recent
from server.caching.single_flight import SingleFlight

KEYS = st.integers(0, 9)
SIZES = st.integers(0, 40)


@given(st.lists(st.tuples(KEYS, st.none() | SIZES), max_size=60), st.integers(1, 60))
def test_bounds_hold_whatever_is_put_and_dropped(steps: Iterable[tuple[int, int | None]], limit: int) -> None:
    """No more than fits, except for the newest alone; and no less: the newest ones that fit together are all there."""
    kept: BoundedMap[int, tuple[int, int]] = BoundedMap(limit, size=lambda value: value[0])
    newest_last: list[tuple[int, tuple[int, int]]] = []
    for step, (key, size) in enumerate(steps):
        newest_last = [entry for entry in newest_last if entry[0] != key]
        if size is None:
            kept.drop(key)
        else:
            kept.put(key, (size, step))
            newest_last.append((key, (size, step)))
            while len(newest_last) > 1 and sum(value[0] for _, value in newest_last) > limit:
                del newest_last[0]
        assert [kept.get(key) for key in range(10)] == [dict(newest_last).get(key) for key in range(10)]
        assert len(kept) == len(newest_last)


@given(st.lists(st.tuples(KEYS, st.integers(0, 3)), max_size=60), st.integers(1, 8))
def test_the_least_worth_makes_room(puts: Iterable[tuple[int, int]], limit: int) -> None:
    """Among equals the oldest; whatever was worth more stays."""
    kept: BoundedMap[int, int] = BoundedMap(limit, worth=lambda value: value)
    expected: dict[int, int] = {}
    for key, value in puts:
        kept.put(key, value)
        expected.pop(key, None)
        if len(expected) == limit:
            del expected[min(expected, key=expected.__getitem__)]
        expected[key] = value
        assert [kept.get(key) for key in range(10)] == [expected.get(key) for key in range(10)]


def test_of_many_only_equals_make_room_together() -> None:
    """A large map looks at all values only now and then, but drops none that is worth more than the least."""
    kept: BoundedMap[int, int] = BoundedMap(1000, worth=lambda value: value)
    for key in range(999):
        kept.put(key, 2)
    kept.put(999, 1)
    kept.put(1000, 2)
    assert (kept.get(999), len(kept)) == (None, 1000)
    kept.put(1001, 2)
    assert 990 <= len(kept) <= 1000
    assert kept.get(0) is None
    assert kept.get(10) == 2


class Gate:
    """Calls that end when they are told to."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.ends: list[asyncio.Future[str]] = []

    async def call(self, key: str) -> str:
        self.calls.append(key)
        self.ends.append(end := asyncio.get_running_loop().create_future())
        outcome: str = await end
        return outcome

    def end(self, outcome: str | Exception = "done") -> None:
        """End the call under way."""
        if isinstance(outcome, Exception):
            self.ends[-1].set_exception(outcome)
        else:
            self.ends[-1].set_result(outcome)


async def settle() -> None:
    """Let everything happen that waits for nothing outside."""
    for _ in range(5):
        await asyncio.sleep(0)


def waiters(flight: SingleFlight[str, str], number: int) -> "list[asyncio.Task[str]]":
    async def wait() -> str:
        return await flight("a")

    return [asyncio.create_task(wait()) for _ in range(number)]


@pytest.mark.parametrize("fresh", [False, True])
@given(leaving=st.sets(st.integers(0, 4)), fails=st.booleans())
def test_one_call_serves_all_and_who_leaves_takes_nothing_from_others(
    leaving: set[int], *, fails: bool, fresh: bool
) -> None:
    """One call; those who stay have its outcome, even if nobody does; nothing is kept of it."""

    async def check() -> None:
        gate = Gate()
        flight: SingleFlight[str, str] = SingleFlight(gate.call, fresh=fresh)
        tasks = waiters(flight, 5)
        await settle()
        for place in leaving:
            tasks[place].cancel()
        await settle()
        assert flight.under_way("a") is not fresh
        gate.end(OSError("no") if fails else "done")
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        # If everybody has left, there is nothing that `gather` waits for.
        await settle()
        for place, outcome in enumerate(outcomes):
            wanted = asyncio.CancelledError if place in leaving else OSError if fails else str
            assert isinstance(outcome, wanted)
        assert (gate.calls, len(flight)) == (["a"], 0)
        (again,) = waiters(flight, 1)
        await settle()
        gate.end("again")
        assert await again == "again"

    asyncio.run(check())


async def test_a_fresh_call_begins_after_all_who_share_it_have_asked() -> None:
    """Who asks during a call shares the next one, which waits for it; of other keys nobody waits for either."""
    gate = Gate()
    flight: SingleFlight[str, str] = SingleFlight(gate.call, fresh=True)
    (first,) = waiters(flight, 1)
    await settle()
    later = waiters(flight, 3)
    other = flight.begin("b")
    await settle()
    assert gate.calls == ["a", "b"]
    gate.ends[0].set_result("old")
    assert await first == "old"
    await settle()
    assert gate.calls == ["a", "b", "a"]
    gate.end("new")
    gate.ends[1].set_result("b")
    assert await asyncio.gather(*later, other) == ["new"] * 3 + ["b"]


async def test_a_call_that_fails_ends_no_turn_of_the_next() -> None:
    """The next call's callers asked while it was failing: it is made all the same."""
    gate = Gate()
    flight: SingleFlight[str, str] = SingleFlight(gate.call, fresh=True)
    (first,) = waiters(flight, 1)
    await settle()
    (second,) = waiters(flight, 1)
    await settle()
    gate.end(OSError("no"))
    await settle()
    gate.end("fine")
    assert await second == "fine"
    with pytest.raises(OSError, match="no"):
        await first


async def test_nobody_hears_of_a_failure_that_nobody_waits_for() -> None:
    """Asyncio neither, which would log it."""
    heard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: heard.append(context))
    gate = Gate()
    flight: SingleFlight[str, str] = SingleFlight(gate.call)
    flight.begin("a")
    await settle()
    gate.end(OSError("no"))
    await settle()
    gate.ends.clear()
    assert (len(flight), heard) == (0, [])


async def test_what_was_begun_is_not_read_again() -> None:
    """Whoever asks while it is read waits for that; whoever begins it when it is known reads nothing."""
    reads: list[str] = []

    async def read(key: str) -> str:
        reads.append(key)
        await asyncio.sleep(0)
        return key.upper()

    recent = Recent(read, seconds=60)
    recent.begin("a")
    recent.begin("a")
    assert await recent.get("a") == "A"
    recent.begin("a")
    await asyncio.sleep(0)
    assert reads == ["a"]


async def test_a_failed_reading_is_everyones_and_is_not_kept() -> None:
    """Everybody who waited has the error; the next one reads again."""
    fails = True

    async def read(key: str) -> str:
        await asyncio.sleep(0)
        if fails:
            raise OSError(key)
        return key

    recent = Recent(read, seconds=60)
    recent.begin("a")
    failed = await asyncio.gather(recent.get("a"), recent.get("a"), return_exceptions=True)
    assert [type(error) for error in failed] == [OSError] * 2
    fails = False
    assert await recent.get("a") == "a"


async def test_a_row_is_read_once_in_n_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """All who ask meanwhile share it, at the same time too; afterwards it is read again."""
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    read: list[str] = []

    async def reader(key: str) -> int:
        await asyncio.sleep(0)
        read.append(key)
        return len(read)

    recent = Recent(reader, 10, limit=2)
    assert await asyncio.gather(*(recent.get("a") for _ in range(5))) == [1] * 5
    now += 9.9
    assert await recent.get("a") == 1
    now += 0.2
    assert recent.peek("a") is None
    assert await recent.get("a") == 2
    for key in "bcd":
        await recent.get(key)
    assert len(recent) == 2
