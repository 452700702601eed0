"""Throttling: those who guess passwords have to wait.

Refusals count for a pair of user name and client (see `server.http.proxies.network`), so a guesser locks out only those
who use the same name from the same network. Names that do not exist count like those that do.
"""

import hashlib
import math
import time
from collections import Counter
from typing import NamedTuple

from server.caching.bounded import BoundedMap


class _Refusals(NamedTuple):
    times: int
    until: float


class Throttle:
    """After `failures` refusals (0: never) a pair waits until `seconds` have passed since the last one."""

    def __init__(self, failures: int, seconds: float, limit: int = 10_000) -> None:
        """Keep at most `limit` pairs: the oldest of those with the fewest refusals goes first.

        So a client cannot make the throttle forget its guesses at one name by making up others.
        """
        self._failures = failures
        self._seconds = seconds
        self._refused: BoundedMap[bytes, _Refusals] = BoundedMap(limit, worth=_count_now)
        self._trying: Counter[bytes] = Counter()

    def __len__(self) -> int:
        return len(self._refused)

    def wait(self, name: str, client: str) -> int:
        """Return how many whole seconds this pair has to wait; checks under way count as refusals."""
        if not self._failures:
            return 0
        pair = _pair(name, client)
        count, left = self._known(pair)
        if count >= self._failures:
            return math.ceil(left)
        return 1 if count + self._trying[pair] >= self._failures else 0

    def begin(self, name: str, client: str) -> bytes:
        """Note that a password is being checked; pass the result to `end`."""
        pair = _pair(name, client)
        self._trying[pair] += 1
        return pair

    def end(self, pair: bytes, *, good: bool | None) -> None:
        """Count a refusal, or after a success forget all of them; None: nothing was checked, so nothing is counted."""
        self._trying[pair] -= 1
        if self._trying[pair] <= 0:
            del self._trying[pair]
        if good:
            self._refused.drop(pair)
        elif good is not None and self._failures:
            self._refuse(pair)

    def _known(self, pair: bytes) -> tuple[int, float]:
        """Return how often the pair was refused, and for how many seconds that still counts."""
        refusals = self._refused.get(pair)
        left = refusals.until - time.monotonic() if refusals else 0.0
        return (refusals.times, left) if refusals and left > 0 else (0, 0.0)

    def _refuse(self, pair: bytes) -> None:
        count = min(self._known(pair)[0] + 1, self._failures)
        self._refused.put(pair, _Refusals(count, time.monotonic() + self._seconds))


def _count_now(refusals: _Refusals) -> int:
    return refusals.times if refusals.until > time.monotonic() else 0


def _pair(name: str, client: str) -> bytes:
    # A digest, so that long names take no more memory than short ones.
    return hashlib.blake2b(f"{client}\0{name}".encode(), digest_size=16).digest()
