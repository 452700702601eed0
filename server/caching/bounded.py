"""The bounded map: what callers name, and what the rows of others make, fills a limited amount of memory."""

import heapq
from collections.abc import Callable
from typing import Any, Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

# To find the value of least worth costs a look at all of them, so its equals go with it: up to one in so many of all.
_SHARE = 100


class BoundedMap(Generic[Key, Value]):
    """Values by key. If a new one does not fit, others make room: those of least worth, and the oldest among equals.

    It knows no time: a value that is valid for a while says so itself, and its user compares.
    """

    def __init__(
        self,
        limit: int,
        *,
        size: Callable[[Value], int] = lambda _: 1,
        worth: Callable[[Value], Any] | None = None,
    ) -> None:
        """Keep values of at most `limit` together, and the newest one whatever its size.

        `size` is what a value counts, by default 1; it must not change while the value is here. `worth` is what values
        are compared by when room is needed; by default all are equal, so that the oldest goes first.
        """
        self._limit = limit
        self._size_of = size
        self._worth = worth
        self._size = 0
        self._entries: dict[Key, Value] = {}
        self.get = self._entries.get
        """Return the value of a key, or None. Requests look here, so it is the dictionary's own method."""

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: Key, value: Value) -> None:
        """Keep a value, as the newest, in place of the one that had its key."""
        self.drop(key)
        size = self._size_of(value)
        while self._entries and self._size + size > self._limit:
            self._make_room()
        self._entries[key] = value
        self._size += size

    def drop(self, key: Key) -> None:
        """Forget a value, if it is there."""
        if key in self._entries:
            self._size -= self._size_of(self._entries.pop(key))

    def _make_room(self) -> None:
        if self._worth is None:
            self.drop(next(iter(self._entries)))
            return
        worth = {key: self._worth(value) for key, value in self._entries.items()}
        first, *others = heapq.nsmallest(max(1, len(worth) // _SHARE), worth, key=worth.__getitem__)
        self.drop(first)
        for key in others:
            if worth[key] == worth[first]:
                self.drop(key)
