"""When a failed task tries again."""

import hashlib
import math
from datetime import timedelta

_LONGEST = timedelta(days=1)


def retry_delay(delay: timedelta, tries: int, *, exponential: bool, longest: timedelta | None, seed: str) -> timedelta:
    """How long to wait after the try with this number, counted from 1.

    Exponential backoff doubles the delay each time, and adds up to as much again, which `seed` decides: tasks
    that failed together come back apart, and a second scheduler computes the same.
    """
    if not exponential:
        return delay
    limit = _LONGEST if longest is None else min(longest, _LONGEST)
    # Beyond this many doublings every delay is over the limit, and the number would be too large.
    seconds = math.ceil(delay.total_seconds() * 2 ** min(tries - 1, 40))
    if seconds >= limit.total_seconds():
        return limit
    jitter = int.from_bytes(hashlib.sha256(f"{seed}#{tries}".encode()).digest()[:8], "big") % max(seconds, 1)
    return min(timedelta(seconds=seconds + jitter), limit)
