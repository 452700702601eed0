"""A bounded queue that its clients share fairly: the client that was served least recently comes next."""

import math
import time
from collections import deque
from typing import Generic, TypeVar

from server.caching.bounded import BoundedMap

Item = TypeVar("Item")

# After this many seconds half of a client's charge is forgotten.
_HALF_LIFE = 10.0
_CLIENTS = 1024


class Full(Exception):
    """There is no room, and no other client has more than its share."""


class FairQueue(Generic[Item]):
    """Waiting items, first in first out for each client; the client with the lowest charge comes first."""

    def __init__(self, limit: int) -> None:
        """Keep at most `limit` items, so at most as many clients wait."""
        self._limit = limit
        self._size = 0
        self._waiting: dict[str, deque[Item]] = {}
        self._charged: BoundedMap[str, tuple[float, float]] = BoundedMap(_CLIENTS, worth=_left)

    def __len__(self) -> int:
        return self._size

    def put(self, client: str, item: Item) -> Item | None:
        """Add an item; if there is no room, remove the newest item of the client with the most waiting items.

        Returns the removed item. Raises Full if every other client has fewer items than this client would have.
        """
        displaced = self._make_room(client) if self._size >= self._limit else None
        self._waiting.setdefault(client, deque()).append(item)
        self._size += 1
        return displaced

    def get(self) -> Item | None:
        """Remove and return the next item; None if there is none."""
        if not self._waiting:
            return None
        client = min(self._waiting, key=self._recent)
        return self._take(client, newest=False)

    def remove(self, client: str, item: Item) -> None:
        """Remove an item if it is still waiting."""
        items = self._waiting.get(client)
        if items is None or item not in items:
            return
        items.remove(item)
        self._size -= 1
        if not items:
            del self._waiting[client]

    def charge(self, client: str, seconds: float) -> None:
        """Charge the client for the seconds that serving it took."""
        self._charged.put(client, (self._recent(client) + seconds, time.monotonic()))

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
            # Back at the end, so that clients with the same charge take turns.
            self._waiting[client] = items
        return item

    def _recent(self, client: str) -> float:
        """Return the seconds that the client was charged; older ones count less."""
        charge = self._charged.get(client)
        return _left(charge) if charge else 0.0


def _left(charge: tuple[float, float]) -> float:
    """Return the seconds that still count of those that were charged at a time."""
    used, at = charge
    return used * math.exp2((at - time.monotonic()) / _HALF_LIFE)
