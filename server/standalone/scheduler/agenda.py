"""Which runs to look at, and when. This is only a cache: what it forgets, a sweep of the database finds."""

import heapq
import time
from collections.abc import Iterable


class Agenda:
    """The ids of runs that are due now, and of others that are due later. Times are those of `time.monotonic`."""

    def __init__(self) -> None:
        self._due: dict[int, None] = {}
        self._later: list[tuple[float, int]] = []
        self._resting: dict[int, float] = {}

    def add(self, run_ids: Iterable[int]) -> None:
        """Look at these runs as soon as possible."""
        for run_id in run_ids:
            until = self._resting.get(run_id)
            if until is None:
                self._due[run_id] = None
            elif until > 0:
                # One look is enough, however often it is asked for.
                self._resting[run_id] = 0.0
                heapq.heappush(self._later, (until, run_id))

    def rest(self, run_id: int, seconds: float) -> None:
        """Do not look at a run for some time, even if something happens to it; look afterwards if it did."""
        self._resting[run_id] = time.monotonic() + seconds

    def add_later(self, run_id: int, delay: float) -> None:
        """Look at this run in `delay` seconds."""
        heapq.heappush(self._later, (time.monotonic() + delay, run_id))

    def take(self, limit: int) -> list[int]:
        """Return up to `limit` runs that are due; those that have waited longest come first."""
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            run_id = heapq.heappop(self._later)[1]
            self._resting.pop(run_id, None)
            self._due[run_id] = None
        taken = list(self._due)[:limit]
        for run_id in taken:
            del self._due[run_id]
        return taken

    def wait(self, longest: float) -> float:
        """Return the seconds until something is due, at most `longest`."""
        if self._due:
            return 0.0
        if not self._later:
            return longest
        return min(longest, max(0.0, self._later[0][0] - time.monotonic()))
