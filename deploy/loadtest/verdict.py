"""Decides whether a load test passed."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

LIMITS = {
    "poller: trigger": 500,
    # The server answers when the run has ended, or after two seconds.
    "poller: wait": 2500,
    "poller: state": 300,
    "dashboard: latest_runs": 500,
    "dashboard: runs": 500,
    "dashboard: pools": 300,
    "farm: trigger": 500,
    "farm: duplicate": 500,
    "passwords: right": 500,
    # The answer to a refused password is delayed on purpose, and hashing takes time.
    "passwords: wrong": 5000,
}
"""The 95th percentile of each kind of request, in milliseconds, for a service that is near."""


class Row(NamedTuple):
    """The results for a kind of request; `p95` is in milliseconds."""

    name: str
    requests: int
    failures: int
    p95: float


def judge(rows: Sequence[Row], errors: Sequence[str], max_failures: float, factor: float) -> tuple[str, bool]:
    """Compare the results with the limits; return the report, and whether the test passed."""
    wrong = list(_problems(rows, max_failures, factor))
    table = [f"{'request':26}{'number':>8}{'failed':>8}{'p95':>10}{'limit':>10}"]
    for row in sorted(rows):
        limit = LIMITS.get(row.name, 0) * factor
        table.append(f"{row.name:26}{row.requests:8}{row.failures:8}{row.p95:8.0f}ms{limit:8.0f}ms")
    lines = [*table, "", *errors, *([*wrong, "FAILED"] if wrong else ["passed"])]
    return "\n".join(lines) + "\n", not wrong


def _problems(rows: Sequence[Row], max_failures: float, factor: float) -> Iterator[str]:
    if not sum(row.requests for row in rows):
        yield "no request was answered"
    for row in rows:
        if row.failures > max_failures * row.requests:
            yield f"{row.name}: {row.failures} of {row.requests} failed, more than {max_failures:.2%}"
        if row.p95 > (limit := LIMITS.get(row.name, 0) * factor):
            yield f"{row.name}: 95 % within {row.p95:.0f} ms, the limit is {limit:.0f} ms"
