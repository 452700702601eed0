"""What was sent, what was answered, and what should not have been."""

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import asyncpg

BROKEN = 0
"""The status of a request whose connection broke."""
_STUCK = -1
_SHOWN = 200
# Requests that waited are answered a moment after the first new one.
_GRACE = 2.0


@dataclass(frozen=True)
class Trouble:
    """A request that was not served, and when."""

    kind: str
    status: int
    began: float
    ended: float


@dataclass(frozen=True)
class Window:
    """From the start of a fault to the last thing that failed of it; `seen` is what callers may see in it."""

    fault: str
    began: float
    cured: float
    ended: float
    seen: frozenset[int]

    @property
    def recovery(self) -> float:
        """Seconds from the end of the cause to the end of what callers saw of it."""
        return self.ended - self.cured

    def excuses(self, trouble: Trouble) -> bool:
        """Whether the request fell into this window and may have ended so."""
        return trouble.status in self.seen and trouble.ended >= self.began and trouble.began <= self.ended + _GRACE


@dataclass
class Ledger:
    """Kept by all callers. Times are those of `time.monotonic()`."""

    answered: dict[str, str] = field(default_factory=dict)
    """The execution date of each run whose trigger was answered with 200."""
    sent: set[str] = field(default_factory=set)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    troubles: list[Trouble] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def problem(self, text: str) -> None:
        """Note what must not happen; the first ones are the telling ones."""
        if len(self.problems) < _SHOWN:
            self.problems.append(text)
            print(f"PROBLEM {text}", flush=True)

    def answer(self, kind: str, status: int, began: float, expected: frozenset[int]) -> None:
        """Note how a request ended."""
        ended = time.monotonic()
        self.statuses[kind, status] += 1
        self.seconds[kind].append(ended - began)
        if status in {BROKEN, 503}:
            self.troubles.append(Trouble(kind, status, began, ended))
        elif status not in expected:
            self.problem(f"{kind} was answered with {status}, expected {sorted(expected)}")

    def stuck(self, kind: str, began: float) -> None:
        """Note a request that did not end."""
        self.statuses[kind, _STUCK] += 1
        self.problem(f"{kind} had no answer after {time.monotonic() - began:.0f} s")

    def unexcused(self) -> list[str]:
        """What failed while nothing was broken, or in another way than what was broken explains."""
        left = [each for each in self.troubles if not any(window.excuses(each) for window in self.windows)]
        counts = Counter((each.kind, each.status) for each in left)
        return [f"{number} x {kind} ended with {status} without cause" for (kind, status), number in counts.items()]

    async def compare(self, conn: asyncpg.Connection) -> None:
        """Hold what was answered against what the database has."""
        rows = await conn.fetch("SELECT run_id, execution_date FROM dag_run WHERE run_id <> 'first'")
        stored = {row["run_id"]: row["execution_date"].isoformat() for row in rows}
        if len(rows) != len(stored):
            self.problem(f"{len(rows) - len(stored)} runs are there twice")
        lost = [run_id for run_id in self.answered if run_id not in stored]
        if lost:
            self.problem(f"{len(lost)} triggers were answered and are lost, such as {lost[0]}")
        moved = [run_id for run_id, date in self.answered.items() if stored.get(run_id, date) != date]
        if moved:
            self.problem(f"{len(moved)} runs have another date than was answered, such as {moved[0]}")
        if strange := set(stored) - self.sent:
            self.problem(f"{len(strange)} runs were never asked for, such as {strange.pop()}")
