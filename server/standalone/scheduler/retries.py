"""When a failed task is tried again."""

import hashlib
import math
from datetime import timedelta

# Airflow 2's limit for tasks without one; 1.10 goes on doubling until no calendar has the date.
_LONGEST = timedelta(days=1)
# After this many doublings every delay exceeds the limit, and the number would be too large.
_DOUBLINGS = 40


def retry_delay(delay: timedelta, tries: int, *, exponential: bool, longest: timedelta | None, seed: str) -> timedelta:
    """Return how long to wait after the try with this number, counted from 1.

    Exponential backoff doubles the delay each time and adds up to as much again, depending on `seed`: tasks that failed
    together are tried again at different times, and a second scheduler computes the same delay. Airflow 1.10 does the
    same: it hashes dag_id#task_id#execution_date#(the number of the next try).
    """
    if not exponential:
        return delay
    limit = _LONGEST if longest is None else longest
    seconds = math.ceil(delay.total_seconds() * 2 ** min(tries - 1, _DOUBLINGS))
    jitter = int(hashlib.sha1(f"{seed}#{tries + 1}".encode(), usedforsecurity=False).hexdigest(), 16) % max(seconds, 1)
    return timedelta(seconds=min(seconds + jitter, limit.total_seconds()))
