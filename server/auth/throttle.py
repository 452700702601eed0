"""Those who guess passwords have to wait.

What counts is the pair of user name and address: a guesser locks out nobody but whoever uses the same name from the
same address. Names that do not exist count like those that do.
"""

import hashlib
import ipaddress
import math
import time

_IPV6_NETWORK = 64


class Throttle:
    """After `failures` refusals a pair waits until `seconds` have gone by since the last; 0 failures: never."""

    def __init__(self, failures: int, seconds: float, limit: int = 10_000) -> None:
        """Keep at most `limit` pairs: the one whose last refusal is oldest goes first."""
        self._failures = failures
        self._seconds = seconds
        self._limit = limit
        self._pairs: dict[bytes, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._pairs)

    def wait(self, user: str, address: str | None) -> int:
        """Return the whole seconds that this pair has to wait; 0: none."""
        count, until = self._pairs.get(_pair(user, address), (0, 0.0))
        left = until - time.monotonic()
        return math.ceil(left) if self._failures and count >= self._failures and left > 0 else 0

    def count(self, user: str, address: str | None) -> None:
        """Count a try as refused; `forgive` takes it back. Before the check, so that many at once count too."""
        if not self._failures:
            return
        pair, now = _pair(user, address), time.monotonic()
        count, until = self._pairs.pop(pair, (0, 0.0))
        if len(self._pairs) >= self._limit:
            del self._pairs[next(iter(self._pairs))]
        self._pairs[pair] = (count + 1 if now < until else 1, now + self._seconds)

    def forgive(self, user: str, address: str | None) -> None:
        """Take one try back: the server could not check it."""
        pair = _pair(user, address)
        if pair in self._pairs:
            count, until = self._pairs[pair]
            self._pairs[pair] = (count - 1, until)

    def forget(self, user: str, address: str | None) -> None:
        """Forget the refusals of a pair that has verified."""
        self._pairs.pop(_pair(user, address), None)


def _pair(user: str, address: str | None) -> bytes:
    # A digest, so that long names take no more memory than short ones.
    return hashlib.blake2b(f"{_network(address)}\0{user}".encode(), digest_size=16).digest()


def _network(address: str | None) -> str:
    """Return an IPv4 address as it is, of an IPv6 address the network: whoever has one of it has all."""
    if not address or ":" not in address:
        return address or ""
    try:
        return str(ipaddress.ip_network((address.partition("%")[0], _IPV6_NETWORK), strict=False))
    except ValueError:
        return address
