"""A small cache with single-flight: what was read a moment ago is not read again."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """Results of `read(key)`, each valid for `seconds`; callers that ask at the same time share one read."""

    def __init__(self, read: Callable[[str], Awaitable[Value]], seconds: float, limit: int = 10_000) -> None:
        """Keep at most `limit` results: the oldest goes first."""
        self._read = read
        self._seconds = seconds
        self._limit = limit
        self._known: dict[str, tuple[Value, float]] = {}
        self._reading: dict[str, asyncio.Task[Value]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def peek(self, key: str) -> Value | None:
        """Return the result if it is known and still valid, otherwise None."""
        entry = self._known.get(key)
        return entry[0] if entry is not None and time.monotonic() < entry[1] else None

    async def get(self, key: str) -> Value:
        """Return the known result, or read it; raises what `read` raises, in every caller that waits."""
        entry = self._known.get(key)
        if entry is not None and time.monotonic() < entry[1]:
            return entry[0]
        # If one caller leaves, the read must go on for the others.
        return await asyncio.shield(self._begin(key))

    def begin(self, key: str) -> None:
        """Begin to read it, unless a valid result is known, so that a caller who asks for it soon waits less."""
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
        # The time counts from before the read, so that a change during the read is not missed for longer than promised.
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
            task.exception()  # All who wait get the exception; asyncio need not warn if nobody does.
