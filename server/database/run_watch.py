"""Tells those who wait for runs, and those who follow events, what happens to runs.

There is one watch in a process: one look at the table serves all of them, and there is none while nobody waits. A
wake-up is a hint, not an answer: whoever is woken reads the state of the run, which may have changed again.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import asyncpg

from server.database.event_log import GAP, Event, EventLog, Follower
from server.database.notices import ENDED_RUNS, NEW_RUNS, TASKS, Notices
from server.database.run_changes import NOWHERE, RunChanges, TooManyNewError
from server.database.task_notices import read_task_notice
from server.errors import Unavailable, WindsockError
from windsock.protocol import ENDED, Code

if TYPE_CHECKING:
    from server.database.database import Database
    from windsock.config import Dsn

logger = logging.getLogger(__name__)

WINDOW = 60.0
"""For how long, in seconds, the id of an event is kept good after the last one who followed events has left."""
# Of all callers together. They may name runs by the thousand, and each look asks for all of them.
_MOST_RUNS = 100_000
# Schedulers of a standalone database say what happens at once. Under load a look is for many notices.
_LOOK_PAUSE = 0.05
# Those who follow events are woken for several at a time, and less often if there are many of them.
_NEWS_PAUSE, _NEWS_PAUSE_EACH = 0.02, 0.0002

_IDS = re.compile(r"\d{1,19}(?:,\d{1,19})*", re.ASCII)

States = Mapping[int, str | None]


class _Waiter:
    """Somebody who waits until all of some runs have ended."""

    __slots__ = ("runs", "woken")

    def __init__(self, runs: Iterable[int]) -> None:
        self.runs = set(runs)
        self.woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake(self, run: int) -> None:
        """Note that one of the runs may have ended."""
        self.runs.discard(run)
        if not self.runs and not self.woken.done():
            self.woken.set_result(None)


class RunWatch:
    """Watches runs in the name of many callers. It looks at the table once in an interval.

    If the database is a standalone one, its schedulers say at once what happens. What gets lost on this way, and what
    others change in the table, the next look finds.
    """

    def __init__(
        self, database: "Callable[[], Database]", interval: float, notices: "Dsn | None", most_followers: int
    ) -> None:
        """Look in the database that `database` returns once in `interval` seconds; listen at `notices`, if anywhere."""
        self._most_followers = most_followers
        self._database = database
        self._interval = interval
        channels = {ENDED_RUNS: self._hear_ends, NEW_RUNS: self._hear_new, TASKS: self._hear_task}
        self._notices = None if notices is None else Notices(notices, channels)
        self._waiting: dict[int, set[_Waiter]] = {}
        self._states: dict[int, str | None] = {}
        self._followers: set[Follower] = set()
        self._log, self._changes = EventLog(), RunChanges()
        self._next_look: asyncio.Future[None] | None = None
        self._look_now = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._telling: asyncio.TimerHandle | None = None
        self._forgetting: asyncio.TimerHandle | None = None
        self.stopped = False

    def __len__(self) -> int:
        """Return how many runs somebody waits for."""
        return len(self._waiting)

    async def wait(self, states: States, seconds: float) -> None:
        """Wait until all of these runs may have ended or are gone, at most so many `seconds`.

        The runs are the `id`s of their rows, with the `states` that they have. If callers wait for more runs than can
        be looked at, return at once.
        """
        if self.stopped or len(self._waiting) + len(states) > _MOST_RUNS:
            return
        waiter = _Waiter(states)
        for run, state in states.items():
            self._waiting.setdefault(run, set()).add(waiter)
            self._states[run] = state
        self._begin()
        try:
            async with asyncio.timeout(seconds):
                await waiter.woken
        except TimeoutError:
            return
        finally:
            self._leave(waiter)

    def look_now(self) -> None:
        """Look at all these runs at once: one of them may have been marked or deleted."""
        self._look_now.set()

    @contextlib.asynccontextmanager
    async def follow(self, last_id: str | None) -> AsyncIterator[Follower]:
        """Follow events: those after `last_id`, and whatever happens from now on. Raises Unavailable."""
        if len(self._followers) >= self._most_followers:
            message = "This process has as many event streams as it may have ([windsock] event_streams)"
            raise Unavailable(message, 5, code=Code.OVERLOADED)
        if self._forgetting is not None:
            self._forgetting.cancel()
            self._forgetting = None
        # Until the first look, nobody is told anything.
        waiting = Follower(self._log, None)
        self._followers.add(waiting)
        follower = waiting
        try:
            await self._look_from_now()
            follower = Follower(self._log, last_id)
            follower.stopped = self.stopped
            self._followers.add(follower)
            self._followers.discard(waiting)
            yield follower
        finally:
            self._followers -= {waiting, follower}
            if not self._followers:
                self._forgetting = asyncio.get_running_loop().call_later(WINDOW, self._forget)

    def stop(self) -> None:
        """Wake everybody; from now on nobody waits."""
        self.stopped = True
        self._wake(tuple(self._waiting))
        for follower in self._followers:
            follower.stopped = True
            follower.news.set()

    async def close(self) -> None:
        """End the watch."""
        self.stop()
        for timer in (self._telling, self._forgetting):
            if timer is not None:
                timer.cancel()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _begin(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._watch())

    def _leave(self, waiter: _Waiter) -> None:
        for run in waiter.runs:
            others = self._waiting.get(run)
            if others is not None:
                others.discard(waiter)
                if not others:
                    del self._waiting[run], self._states[run]

    def _wake(self, runs: Iterable[int]) -> None:
        for run in runs:
            self._states.pop(run, None)
            for waiter in self._waiting.pop(run, ()):
                waiter.wake(run)

    @property
    def _keeps_log(self) -> bool:
        """Whether somebody follows events, or may come back."""
        return bool(self._followers) or self._forgetting is not None

    def _forget(self) -> None:
        self._forgetting = None
        self._log, self._changes = EventLog(), RunChanges()
        self._look_now.set()

    async def _watch(self) -> None:
        """Look until nobody waits any more; keep listening as long as somebody may come back."""
        try:
            while self._waiting or self._followers or (self._notices is not None and self._keeps_log):
                if self._notices is not None and await self._notices.open(tasks=self._keeps_log):
                    self._note_gap()
                self._look_now.clear()
                if self._waiting or self._followers:
                    await self._look()
                    await asyncio.sleep(min(_LOOK_PAUSE, self._interval))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._interval):
                        await self._look_now.wait()
        finally:
            self._task = None
            if self._notices is not None:
                self._notices.close()
            if self._next_look is not None:
                self._next_look.cancel()

    async def _look_from_now(self) -> None:
        """Wait for a look that begins after this; raises Unavailable if it fails."""
        if self._next_look is None:
            self._next_look = asyncio.get_running_loop().create_future()
        self._begin()
        self._look_now.set()
        await asyncio.shield(self._next_look)

    async def _look(self) -> None:
        waited, self._next_look = self._next_look, None
        try:
            await self._read()
        except (WindsockError, asyncpg.PostgresError) as error:
            # Whoever waits learns of it when the time is over, unless the database is back by then.
            logger.debug("the runs that are waited for could not be read", extra={"reason": type(error).__name__})
            if waited is not None and not waited.done():
                waited.set_exception(error if isinstance(error, WindsockError) else _unreadable())
                # Whoever asked may have left.
                waited.exception()
        else:
            if waited is not None and not waited.done():
                waited.set_result(None)

    async def _read(self) -> None:
        if not self._followers:
            ended = await self._database().fetch("ended_runs", list(self._waiting))
            self._wake([row["id"] for row in ended])
            return
        if not self._changes.has_begun:
            self._changes.begin(await self._fetch((), NOWHERE))
            self._changes.take(await self._fetch((), self._changes.floor))
        rows = await self._fetch(self._changes.states(self._states), self._changes.floor)
        self._wake_ended(rows)
        try:
            events = self._changes.take(rows)
        except TooManyNewError:
            self._changes = RunChanges()
            events = [Event(GAP)]
        for event in events:
            self._tell(event)

    async def _fetch(self, known: Collection[tuple[int, str | None]], floor: int) -> list[asyncpg.Record]:
        ids, states = zip(*known, strict=True) if known else ((), ())
        return await self._database().fetch("changed_runs", ids, states, floor)

    def _wake_ended(self, rows: Iterable[asyncpg.Record]) -> None:
        ended = []
        for row in rows:
            if row["id"] in self._states:
                self._states[row["id"]] = row["state"]
                if row["is_gone"] or row["state"] in ENDED:
                    ended.append(row["id"])
        self._wake(ended)

    def _tell(self, event: Event) -> None:
        self._log.add(event)
        if self._telling is None and self._followers:
            pause = _NEWS_PAUSE + len(self._followers) * _NEWS_PAUSE_EACH
            self._telling = asyncio.get_running_loop().call_later(pause, self._wake_followers)

    def _wake_followers(self) -> None:
        self._telling = None
        for follower in self._followers:
            follower.news.set()

    def _note_gap(self) -> None:
        """Notices about tasks may be lost; looks find what has happened to runs."""
        if self._keeps_log and self._changes.has_begun:
            self._tell(Event(GAP))

    def _hear_ends(self, payload: str) -> None:
        # Everybody who may connect to the database can send notices.
        if _IDS.fullmatch(payload):
            self._wake(map(int, payload.split(",")))
        else:
            self._look_now.set()
        self._hear_new(payload)

    def _hear_new(self, _payload: str) -> None:
        if self._followers:
            self._look_now.set()

    def _hear_task(self, payload: str) -> None:
        if self._keeps_log and (event := read_task_notice(payload)) is not None:
            self._tell(event)


def _unreadable() -> Unavailable:
    return Unavailable("The runs cannot be read at the moment")
