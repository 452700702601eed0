"""Remembers credentials that were verified a moment ago, so that they are not hashed again.

It keeps digests of user, password and stored hash, under a key that only this process has. If the table has another
hash, the digest is another one, so a changed password takes effect as soon as the row is read. Refused credentials
are never remembered.
"""

import asyncio
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable


class Verified:
    """A bounded set of digests; each is forgotten `seconds` after its last use."""

    def __init__(self, seconds: float, limit: int = 10_000) -> None:
        """Keep at most `limit` digests: the one that was verified first goes first. With 0 seconds keep none."""
        self._seconds = seconds
        self._limit = limit
        self._key = secrets.token_bytes(32)
        self._until: dict[bytes, float] = {}
        self._checks: dict[bytes, asyncio.Task[bool]] = {}

    def __len__(self) -> int:
        return len(self._until)

    def digest(self, user: str, password: str, stored: str) -> bytes:
        """Return the digest of credentials that contain no NUL."""
        return hmac.digest(self._key, f"{user}\0{password}\0{stored}".encode(), "sha256")

    def knows(self, digest: bytes) -> bool:
        """Whether these credentials were verified; this counts as a use of them."""
        until = self._until.get(digest)
        if until is None:
            return False
        now = time.monotonic()
        if now >= until:
            del self._until[digest]
            return False
        self._until[digest] = now + self._seconds
        return True

    def check_under_way(self, digest: bytes) -> "asyncio.Task[bool] | None":
        """Return the check of the same credentials that is under way for another request."""
        return self._checks.get(digest)

    async def check(self, digest: bytes, verify: Callable[[], Awaitable[bool]]) -> bool:
        """Verify once for all who ask at the same time (single-flight), and remember a success."""
        task = self._checks.get(digest)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._check(digest, verify()))
            self._checks[digest] = task
            task.add_done_callback(lambda done: self._end(digest, done))
        return await asyncio.shield(task)

    async def _check(self, digest: bytes, verifying: Awaitable[bool]) -> bool:
        good = await verifying
        if good and self._seconds:
            if len(self._until) >= self._limit:
                del self._until[next(iter(self._until))]
            self._until[digest] = time.monotonic() + self._seconds
        return good

    def _end(self, digest: bytes, task: "asyncio.Task[bool]") -> None:
        del self._checks[digest]
        if not task.cancelled():
            task.exception()
