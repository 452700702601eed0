"""Those who guess passwords have to wait.

What counts is the pair of a user's name and a client (see `server.proxies.network`): a guesser locks out nobody but
whoever uses the same name from the same network. Names that do not exist count like those that do.
"""

import hashlib
import math
import time
from collections import Counter


class Throttle:
    """After `failures` refusals a pair waits until `seconds` have gone by since the last; 0 failures: never."""

    def __init__(self, failures: int, seconds: float, limit: int = 10_000) -> None:
        """Keep at most `limit` pairs: of those with the fewest refusals the oldest goes first.

        So that a client that makes names up does not push out how often it has guessed at one.
        """
        self._failures = failures
        self._seconds = seconds
        self._limit = limit
        self._count: dict[bytes, int] = {}
        # The pairs that were refused so often, with the end of their time; the oldest first.
        self._refused: dict[int, dict[bytes, float]] = {}
        self._trying: Counter[bytes] = Counter()

    def __len__(self) -> int:
        return len(self._count)

    def wait(self, name: str, client: str) -> int:
        """Return the whole seconds that this pair has to wait; 0: none. Tries under way count as if refused."""
        if not self._failures:
            return 0
        pair = _pair(name, client)
        count, left = self._known(pair)
        if count >= self._failures:
            return math.ceil(left)
        return 1 if count + self._trying[pair] >= self._failures else 0

    def begin(self, name: str, client: str) -> bytes:
        """Note that a password is being checked; `end` takes what this returns."""
        pair = _pair(name, client)
        self._trying[pair] += 1
        return pair

    def end(self, pair: bytes, *, good: bool | None) -> None:
        """Count a refusal, or forget all of them after a success; None: nothing was checked, so nothing is counted."""
        self._trying[pair] -= 1
        if self._trying[pair] <= 0:
            del self._trying[pair]
        if good:
            self._drop(pair)
        elif good is not None and self._failures:
            self._refuse(pair)

    def _known(self, pair: bytes) -> tuple[int, float]:
        """Return how often the pair was refused, and the seconds for which that still counts."""
        count = self._count.get(pair, 0)
        left = self._refused[count][pair] - time.monotonic() if count else 0.0
        return (count, left) if left > 0 else (0, 0.0)

    def _refuse(self, pair: bytes) -> None:
        count = min(self._known(pair)[0] + 1, self._failures)
        self._drop(pair)
        if len(self._count) >= self._limit:
            self._drop(self._least())
        self._count[pair] = count
        self._refused.setdefault(count, {})[pair] = time.monotonic() + self._seconds

    def _least(self) -> bytes:
        """Return the pair that is missed least: one whose time is over, or the oldest of those refused least often."""
        now = time.monotonic()
        oldest = [next(iter(self._refused[count].items())) for count in sorted(self._refused)]
        return next((pair for pair, until in oldest if until <= now), oldest[0][0])

    def _drop(self, pair: bytes) -> None:
        count = self._count.pop(pair, 0)
        if count:
            del self._refused[count][pair]
            if not self._refused[count]:
                del self._refused[count]


def _pair(name: str, client: str) -> bytes:
    # A digest, so that long names take no more memory than short ones.
    return hashlib.blake2b(f"{client}\0{name}".encode(), digest_size=16).digest()
