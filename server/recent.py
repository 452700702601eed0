"""What was read a moment ago need not be read again."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """Answers of `read(key)`, each good for `seconds`; those who ask at once share one reading."""

    def __init__(self, read: Callable[[str], Awaitable[Value]], seconds: float, limit: int = 10_000) -> None:
        """Keep at most `limit` answers: the oldest goes first."""
        self._read = read
        self._seconds = seconds
        self._limit = limit
        self._known: dict[str, tuple[Value, float]] = {}
        self._reading: dict[str, asyncio.Task[Value]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def peek(self, key: str) -> Value | None:
        """Return what is known and still good, or None."""
        entry = self._known.get(key)
        return entry[0] if entry is not None and time.monotonic() < entry[1] else None

    async def get(self, key: str) -> Value:
        """Return what is known, or read it; raises what `read` raises, to all who wait."""
        entry = self._known.get(key)
        if entry is not None and time.monotonic() < entry[1]:
            return entry[0]
        # One caller that goes away must not end the reading for the others.
        return await asyncio.shield(self._begin(key))

    def begin(self, key: str) -> None:
        """Begin to read it, unless it is known and still good: whoever asks for it soon need not wait as long."""
        entry = self._known.get(key)
        if entry is None or time.monotonic() >= entry[1]:
            self._begin(key)

    def _begin(self, key: str) -> "asyncio.Task[Value]":
        task = self._reading.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._refresh(key))
            self._reading[key] = task
            task.add_done_callback(lambda done: self._end(key, done))
        return task

    async def _refresh(self, key: str) -> Value:
        # From before the reading on: what changes meanwhile must not be missed for longer than promised.
        good_until = time.monotonic() + self._seconds
        value = await self._read(key)
        self._known.pop(key, None)
        if len(self._known) >= self._limit:
            del self._known[next(iter(self._known))]
        self._known[key] = (value, good_until)
        return value

    def _end(self, key: str, task: "asyncio.Task[Value]") -> None:
        del self._reading[key]
        if not task.cancelled():
            task.exception()  # Everyone who waits has it; nobody needs to be told that nobody asked.
