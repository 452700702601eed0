"""Remembers credentials that were verified a moment ago, so that they are not hashed again.

It keeps digests of user, password and stored hash, under a key that only this process has. If the table has another
hash, the digest is another one, so a changed password takes effect as soon as the row is read. Refused credentials
are never remembered.
"""

import hmac
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from server.caching.bounded import BoundedMap
from server.caching.single_flight import SingleFlight


@dataclass(slots=True)
class _Entry:
    until: float


class Verified:
    """A bounded set of digests; each is forgotten `seconds` after its last use."""

    def __init__(self, seconds: float, limit: int = 10_000) -> None:
        """Keep at most `limit` digests: the one that was verified first goes first. With 0 seconds keep none."""
        self._seconds = seconds
        self._key = secrets.token_bytes(32)
        self._known: BoundedMap[bytes, _Entry] = BoundedMap(limit)
        self._flight: SingleFlight[bytes, bool] = SingleFlight(self._check)

    def __len__(self) -> int:
        return len(self._known)

    def digest(self, user: str, password: str, stored: str) -> bytes:
        """Return the digest of credentials that contain no NUL."""
        return hmac.digest(self._key, f"{user}\0{password}\0{stored}".encode(), "sha256")

    def knows(self, digest: bytes) -> bool:
        """Whether these credentials were verified; this counts as a use of them."""
        entry = self._known.get(digest)
        if entry is None:
            return False
        now = time.monotonic()
        if now >= entry.until:
            self._known.drop(digest)
            return False
        entry.until = now + self._seconds
        return True

    def under_way(self, digest: bytes) -> bool:
        """Whether the same credentials are being verified for another request."""
        return self._flight.under_way(digest)

    async def check(self, digest: bytes, verify: Callable[[], Awaitable[bool]]) -> bool:
        """Verify once for all who ask at the same time (single-flight), and remember a success."""
        if self.under_way(digest):
            return await self._flight(digest)
        # `verify` is called at once, because it counts the try: guesses that arrive together are counted one by one.
        return await self._flight(digest, verify())

    async def _check(self, digest: bytes, verifying: Awaitable[bool]) -> bool:
        good = await verifying
        if good and self._seconds:
            self._known.put(digest, _Entry(time.monotonic() + self._seconds))
        return good
