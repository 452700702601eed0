"""The counters of this process: plain numbers in plain containers, because every request passes here.

prometheus_client's own counters take a lock and look up a dictionary of labels each time. These take one look-up and
two additions; `server.metrics.exposition` turns them into Prometheus' form at a scrape.
"""

from bisect import bisect_left
from collections import Counter

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency buckets in seconds; another one without a bound follows."""
NO_ROUTE = "none"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_EMPTY = [0.0] * (len(BOUNDS) + 2)


class Counters:
    """What has happened since the process started."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str, int], list[float]] = {}
        self.authentication: Counter[str] = Counter()
        self.database_errors: Counter[str] = Counter()
        self.run_ends: Counter[str] = Counter()

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request; `route` is a template, never a path that a client chose."""
        row = self.requests.get((route, method, status))
        if row is None:
            # Clients choose methods too, so all unknown ones share a label.
            known = method if method in _METHODS else "other"
            row = self.requests.setdefault((route, known, status), _EMPTY.copy())
        row[bisect_left(BOUNDS, seconds)] += 1
        row[-1] += seconds


COUNTERS = Counters()
"""The counters of this process."""
