"""A small cache with single-flight: what was read a moment ago is not read again."""

import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from server.caching.bounded import BoundedMap
from server.caching.single_flight import SingleFlight

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """Results of `read(key)`, each valid for `seconds`; callers that ask at the same time share one read."""

    def __init__(self, read: Callable[[str], Awaitable[Value]], seconds: float, limit: int = 10_000) -> None:
        """Keep at most `limit` results: the oldest goes first. An error is not kept."""
        self._read = read
        self._seconds = seconds
        self._known: BoundedMap[str, tuple[Value, float]] = BoundedMap(limit)
        self._flight: SingleFlight[str, Value] = SingleFlight(self._refresh)

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
        return await self._flight(key)

    def begin(self, key: str) -> None:
        """Begin to read it, unless a valid result is known, so that a caller who asks for it soon waits less."""
        entry = self._known.get(key)
        if entry is None or time.monotonic() >= entry[1]:
            self._flight.begin(key)

    async def _refresh(self, key: str) -> Value:
        # The time counts from before the read, so that a change during the read is not missed for longer than promised.
        good_until = time.monotonic() + self._seconds
        value = await self._read(key)
        self._known.put(key, (value, good_until))
        return value
