"""When a failed task tries again."""

import hashlib
import math
from datetime import timedelta

# Airflow 2's limit for tasks that have none; 1.10 goes on to double until no calendar has the date.
_LONGEST = timedelta(days=1)
# Beyond this many doublings every delay is over the limit, and the number would be too large.
_DOUBLINGS = 40


def retry_delay(delay: timedelta, tries: int, *, exponential: bool, longest: timedelta | None, seed: str) -> timedelta:
    """How long to wait after the try with this number, counted from 1.

    Exponential backoff doubles the delay each time, and adds up to as much again, as `seed` decides: tasks that
    failed together come back apart, and a second scheduler computes the same. So does Airflow 1.10: its hash is
    that of dag_id#task_id#execution_date#(the number of the next try).
    """
    if not exponential:
        return delay
    limit = _LONGEST if longest is None else longest
    seconds = math.ceil(delay.total_seconds() * 2 ** min(tries - 1, _DOUBLINGS))
    jitter = int(hashlib.sha1(f"{seed}#{tries + 1}".encode(), usedforsecurity=False).hexdigest(), 16) % max(seconds, 1)
    return timedelta(seconds=min(seconds + jitter, limit.total_seconds()))
