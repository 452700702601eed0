"""Tells those who wait for runs, and those who follow events, what happens to runs.

There is one watch in a process: one look at the table serves all of them, and there is none while nobody waits. A
wake-up is a hint, not an answer: whoever is woken reads the state of the run, which may have changed again.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Callable, Collection
from typing import TYPE_CHECKING

import asyncpg

from server.database.event_log import GAP, Event, EventLog, Follower
from server.database.notices import ENDED_RUNS, NEW_RUNS, TASKS, Notices
from server.database.run_changes import MOST_NEW, NOWHERE, RunChanges, TooManyNewError, in_order
from server.database.run_waiters import States, Waiters
from server.database.task_notices import read_task_notice
from server.errors import Unavailable, WindsockError
from server.process.cancellation import pause
from windsock.protocol import Code

if TYPE_CHECKING:
    from server.database.database import Database
    from windsock.config import Dsn

logger = logging.getLogger(__name__)

WINDOW = 60.0
"""For how long, in seconds, the id of an event is kept good after the last one who followed events has left."""
# Of all callers together. They may name runs by the thousand, and a look may ask for all of them.
_MOST_RUNS = 100_000
# Schedulers of a standalone database say what happens at once. Under load a look is for many notices.
_LOOK_PAUSE = 0.05
# Those who follow events are woken for several at a time, and less often if there are many of them.
_NEWS_PAUSE, _NEWS_PAUSE_EACH = 0.02, 0.0002

_IDS = re.compile(r"\d{1,19}(?:,\d{1,19})*", re.ASCII)


class RunWatch:
    """Watches runs in the name of many callers. It looks at the table once in an interval.

    If the database is a standalone one, its schedulers say at once what happens. What gets lost on this way, and what
    others change in the table, the next looks find.
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
        self._waiters = Waiters()
        self._followers: set[Follower] = set()
        self._log, self._changes = EventLog(), RunChanges()
        # What was heard of tasks before a look has shown their run.
        self._early: list[Event] = []
        self._next_look: asyncio.Future[None] | None = None
        self._look_now = asyncio.Event()
        # What schedulers said may have got lost, or they cannot say it.
        self._must_look_at_all = True
        self._task: asyncio.Task[None] | None = None
        self._telling: asyncio.TimerHandle | None = None
        self._forgetting: asyncio.TimerHandle | None = None
        self.stopped = False

    def __len__(self) -> int:
        """Return how many runs somebody waits for."""
        return len(self._waiters)

    async def wait(self, states: States, seconds: float) -> None:
        """Wait until all of these runs may have ended or are gone, at most so many `seconds`.

        The runs are the `id`s of their rows, with the `states` that they have. If callers wait for more runs than can
        be looked at, return at once.
        """
        if self.stopped or len(self._waiters) + len(states) > _MOST_RUNS:
            return
        waiter = self._waiters.add(states)
        self._begin()
        try:
            async with asyncio.timeout(seconds):
                await waiter.woken
        except TimeoutError:
            return
        finally:
            self._waiters.leave(waiter)

    def look_now(self) -> None:
        """Look at all these runs at once: one of them may have been marked or deleted."""
        self._must_look_at_all = True
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
        self._waiters.wake_all()
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

    @property
    def _keeps_log(self) -> bool:
        """Whether somebody follows events, or may come back."""
        return bool(self._followers) or self._forgetting is not None

    def _forget(self) -> None:
        self._forgetting = None
        self._log, self._changes, self._early = EventLog(), RunChanges(), []
        self._look_now.set()

    async def _watch(self) -> None:
        """Look until nobody waits any more; keep listening as long as somebody may come back."""
        try:
            while self._waiters or self._followers or (self._notices is not None and self._keeps_log):
                await self._listen()
                self._look_now.clear()
                if self._waiters or self._followers:
                    await self._look()
                await pause(min(_LOOK_PAUSE, self._interval))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._interval):
                        await self._look_now.wait()
        finally:
            self._task = None
            if self._notices is not None:
                self._notices.close()
            if self._next_look is not None:
                self._next_look.cancel()

    async def _listen(self) -> None:
        if self._notices is None:
            self._must_look_at_all = True
            return
        if not self._notices.is_open:
            self._must_look_at_all = True
        if await self._notices.open(tasks=self._keeps_log):
            self._note_gap()

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
            self._must_look_at_all = True
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
        due = self._waiters.take_due(everything=self._must_look_at_all)
        self._must_look_at_all = False
        if not self._followers:
            ended = await self._database().fetch("ended_runs", list(due)) if due else []
            self._waiters.wake([row["id"] for row in ended])
            return
        if not self._changes.has_begun:
            self._changes.begin(await self._fetch((), NOWHERE))
            self._changes.take(await self._fetch((), self._changes.floor))
        heard = len(self._early)
        rows = await self._fetch(self._changes.states(due), self._changes.floor)
        self._waiters.see(rows)
        try:
            events = self._changes.take(rows)
        except TooManyNewError:
            self._changes = RunChanges()
            events = [Event(GAP)]
        for event in in_order(events, self._take_early(heard)):
            self._tell(event)

    def _take_early(self, heard: int) -> list[Event]:
        """Return the events of tasks whose run can be known after a look; `heard` is how many there were before it."""
        # What was heard since it began may be about runs that only the next one shows.
        shown, later = self._early[:heard], list[Event]()
        for task in self._early[heard:]:
            (shown if self._changes.knows(task.dag_id, task.run_id) else later).append(task)
        self._early = later
        return shown

    async def _fetch(self, known: Collection[tuple[int, str | None]], floor: int) -> list[asyncpg.Record]:
        ids, states = zip(*known, strict=True) if known else ((), ())
        return await self._database().fetch("changed_runs", ids, states, floor)

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
            self._waiters.wake(map(int, payload.split(",")))
        else:
            self.look_now()
        self._hear_new(payload)

    def _hear_new(self, _payload: str) -> None:
        if self._followers:
            self._look_now.set()

    def _hear_task(self, payload: str) -> None:
        if not self._keeps_log or (event := read_task_notice(payload)) is None:
            return
        if self._changes.knows(event.dag_id, event.run_id):
            self._tell(event)
        elif len(self._early) < MOST_NEW:
            self._early.append(event)
            self._look_now.set()
        else:
            self._early.clear()
            self._note_gap()


def _unreadable() -> Unavailable:
    return Unavailable("The runs cannot be read at the moment")
