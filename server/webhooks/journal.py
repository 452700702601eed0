"""What is known of the ends of runs: up to which moment all have been read, which were told, and which wait.

The table `dag_run` itself is the queue. All ends before `since` have been told, or wait here; of those after it, the
ones that were told are known. So memory is bounded: while as many wait as may, later ends are not read.
"""

import asyncio
import heapq
import itertools
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec

from server.database.run_ends import RunEnd

MOST_WAITING = 1000
# An end may be committed late, by a scheduler whose clock is slow. Meanwhile it is remembered what was told.
OVERLAP = timedelta(minutes=1)
_MOST_TOLD = 20_000
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
GIVE_UP = timedelta(days=3)
_LONGEST_PAUSE = 600.0
# A larger power of two is longer than that.
_MOST_DOUBLINGS = 10


class Waiting(msgspec.Struct, kw_only=True, eq=False):
    """A run whose end waits to be told. `since` is when it was found, in seconds since 1970."""

    number: int
    dag_id: str
    run_id: str
    since: float
    attempts: int = 0

    def pause(self) -> float:
        """Return for how many seconds to wait after an attempt that failed: 1, 2, 4, ... up to ten minutes, or so."""
        longest = min(2.0 ** min(self.attempts - 1, _MOST_DOUBLINGS), _LONGEST_PAUSE)
        return longest * random.uniform(0.75, 1.25)  # noqa: S311 - no secret

    @property
    def is_hopeless(self) -> bool:
        """Whether it has waited for so long that it is given up."""
        return time.time() - self.since > GIVE_UP.total_seconds()


# One without a time zone cannot be compared with others.
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class _Written(msgspec.Struct):
    """A journal as it is stored."""

    since: _Moment
    told: dict[str, _Moment]
    waiting: list[Waiting]


class Journal:
    """What a process knows while it tells others of ends."""

    def __init__(self, since: datetime) -> None:
        """Begin with the ends after that moment."""
        self.since = since
        self.changed = True
        self._told: dict[str, datetime] = {}
        self._forgotten = _LONG_AGO
        self._waiting: dict[int, Waiting] = {}
        self._under_way: set[int] = set()
        self._again: set[int] = set()
        self._due: list[tuple[float, int, int]] = []
        self._count = itertools.count()
        self._news = asyncio.Event()

    @classmethod
    def read(cls, text: bytes) -> "Journal":
        """Go on as `written` has it. Raises msgspec.MsgspecError."""
        known = msgspec.json.decode(text, type=_Written)
        journal = cls(known.since)
        journal._told = known.told
        for one in {one.number: one for one in known.waiting[:MOST_WAITING]}.values():
            journal._put(one, 0)
        return journal

    def written(self) -> bytes:
        """Return all that must survive the process, as JSON; from now on `changed` says whether it is out of date."""
        self.changed = False
        return msgspec.json.encode(_Written(self.since, self._told, list(self._waiting.values())))

    def __len__(self) -> int:
        """Return how many runs wait."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether no more may wait."""
        return len(self._waiting) >= MOST_WAITING

    def add(self, ends: Sequence[RunEnd]) -> int:
        """Let those wait that were not told yet, as long as there is room; return how many of them were looked at."""
        for taken, end in enumerate(ends):
            if self.was_told(end):
                continue
            if end.number in self._under_way:
                # What is being told may be an earlier end of the same run.
                self._again.add(end.number)
            elif end.number not in self._waiting:
                if self.is_full:
                    return taken
                self._put(Waiting(number=end.number, dag_id=end.dag_id, run_id=end.run_id, since=time.time()), 0)
        return len(ends)

    async def next(self) -> Waiting:
        """Wait for a run that is due, the first one that became so, and take it: `settle` or `put_back` ends that."""
        while True:
            pause = self._due[0][0] - time.monotonic() if self._due else None
            if pause is not None and pause <= 0:
                _, _, number = heapq.heappop(self._due)
                self._under_way.add(number)
                return self._waiting[number]
            self._news.clear()
            try:
                async with asyncio.timeout(pause):
                    await self._news.wait()
            except TimeoutError:
                continue

    def put_back(self, one: Waiting, pause: float) -> None:
        """Let it wait for so many seconds."""
        self._under_way.discard(one.number)
        self._again.discard(one.number)
        self._put(one, pause)

    def settle(self, one: Waiting, told: RunEnd | None = None) -> None:
        """Let it wait no longer, because that end was told, or because there is nothing to tell."""
        self._under_way.discard(one.number)
        del self._waiting[one.number]
        if told is not None:
            self._told[told.key] = told.ended or self.since
        if one.number in self._again:
            self._again.discard(one.number)
            self._put(Waiting(number=one.number, dag_id=one.dag_id, run_id=one.run_id, since=time.time()), 0)
        self.changed = True

    def was_told(self, end: RunEnd) -> bool:
        """Whether that end was told, as far as that is still known."""
        return end.key in self._told

    def advance(self, since: datetime) -> None:
        """Note that all ends before that moment have been read. It may be an earlier one if a clock was set back."""
        if len(self._told) > _MOST_TOLD:
            # Better miss what is committed late than tell everything again with each look.
            self._forgotten = max(self._forgotten, sorted(self._told.values())[-_MOST_TOLD])
        since = max(since, self._forgotten)
        kept = {key: ended for key, ended in self._told.items() if ended >= since}
        self.changed = self.changed or len(kept) < len(self._told)
        self.since, self._told = since, kept

    def _put(self, one: Waiting, pause: float) -> None:
        self._waiting[one.number] = one
        heapq.heappush(self._due, (time.monotonic() + pause, next(self._count), one.number))
        self._news.set()
        self.changed = True
