"""A bounded queue that its clients share fairly: the next is of the client that was served least lately."""

import time
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")

# After this many seconds half of what a client was charged is forgotten.
_HALF_LIFE = 10.0
_CLIENTS = 1024


class Full(Exception):
    """There is no room, and no other client has more than its part."""


class FairQueue(Generic[Item]):
    """Items that wait, first in first out for each client; those of the client that was charged least go first."""

    def __init__(self, limit: int) -> None:
        """Keep at most `limit` items, so at most that many clients wait."""
        self._limit = limit
        self._size = 0
        self._waiting: dict[str, deque[Item]] = {}
        self._charged: dict[str, tuple[float, float]] = {}

    def __len__(self) -> int:
        return self._size

    def put(self, client: str, item: Item) -> Item | None:
        """Let an item wait; where there is no room, the newest of the client that has most waiting is taken out for it.

        Answers the item that was taken out. Raises Full where the others have less than this client would have.
        """
        displaced = self._make_room(client) if self._size >= self._limit else None
        self._waiting.setdefault(client, deque()).append(item)
        self._size += 1
        return displaced

    def get(self) -> Item | None:
        """Take out the next item, or answer None."""
        if not self._waiting:
            return None
        client = min(self._waiting, key=self._recent)
        return self._take(client, newest=False)

    def remove(self, client: str, item: Item) -> None:
        """Take out an item, if it still waits."""
        items = self._waiting.get(client)
        if items is None or item not in items:
            return
        items.remove(item)
        self._size -= 1
        if not items:
            del self._waiting[client]

    def charge(self, client: str, seconds: float) -> None:
        """Count what serving the client took."""
        used = self._recent(client) + seconds
        self._charged.pop(client, None)
        if len(self._charged) >= _CLIENTS:
            del self._charged[min(self._charged, key=self._recent)]
        self._charged[client] = (used, time.monotonic())

    def _make_room(self, client: str) -> Item:
        greedy = max(self._waiting, key=self._share, default=client)
        waiting, used = self._share(client)
        if greedy == client or self._share(greedy) <= (waiting + 1, used):
            raise Full
        return self._take(greedy, newest=True)

    def _share(self, client: str) -> tuple[int, float]:
        return len(self._waiting.get(client, ())), self._recent(client)

    def _take(self, client: str, *, newest: bool) -> Item:
        items = self._waiting.pop(client)
        item = items.pop() if newest else items.popleft()
        self._size -= 1
        if items:
            # At the end: those that were charged alike take turns.
            self._waiting[client] = items
        return item

    def _recent(self, client: str) -> float:
        """Seconds that the client was charged, the older the less."""
        used, at = self._charged.get(client, (0.0, 0.0))
        return used * 0.5 ** ((time.monotonic() - at) / _HALF_LIFE) if used else 0.0
