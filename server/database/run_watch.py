"""Tells those who wait for runs when these have ended: one look for all of them, and none while nobody waits.

A wake-up is a hint, not an answer: whoever is woken reads the state of the run, which may have changed again.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

import asyncpg

from server.database.connections import KEEPALIVE, SESSION_ERRORS, with_session
from server.errors import WindsockError

if TYPE_CHECKING:
    from server.database.database import Database
    from windsock.config import Dsn

logger = logging.getLogger(__name__)

ENDED_CHANNEL = "windsock_ended"
"""Where schedulers of a standalone database say which runs have ended: ids, or nothing if they are too many."""
_CONNECT = 5.0
# Of all callers together. They may name runs by the thousand, and each look asks for all of them.
_MOST_RUNS = 100_000


class _Waiter:
    """Somebody who waits until all of some runs have ended."""

    __slots__ = ("runs", "woken")

    def __init__(self, runs: Collection[int]) -> None:
        self.runs = set(runs)
        self.woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake(self, run: int) -> None:
        """Note that one of the runs may have ended."""
        self.runs.discard(run)
        if not self.runs and not self.woken.done():
            self.woken.set_result(None)


class RunWatch:
    """Waits for runs in the name of many callers. It looks at these runs once in an interval.

    If the database is a standalone one, its schedulers say at once which runs have ended. What gets lost on this way,
    and what others change in the table, the next look finds.
    """

    def __init__(self, database: "Callable[[], Database]", interval: float, notices: "Dsn | None") -> None:
        """Look in the database that `database` returns once in `interval` seconds; listen at `notices`, if anywhere."""
        self._database = database
        self._interval = interval
        self._notices = notices
        self._waiting: dict[int, set[_Waiter]] = {}
        self._look_now = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.stopped = False

    def __len__(self) -> int:
        """Return how many runs somebody waits for."""
        return len(self._waiting)

    async def wait(self, runs: Collection[int], seconds: float) -> None:
        """Wait until all of the runs (`id`s of their rows) may have ended or are gone, at most so many `seconds`.

        If callers wait for more runs than can be looked at, return at once.
        """
        if self.stopped or len(self._waiting) + len(runs) > _MOST_RUNS:
            return
        waiter = _Waiter(runs)
        for run in runs:
            self._waiting.setdefault(run, set()).add(waiter)
        if self._task is None:
            self._task = asyncio.create_task(self._watch())
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

    def stop(self) -> None:
        """Wake everybody; from now on nobody waits."""
        self.stopped = True
        self._wake(tuple(self._waiting))

    async def close(self) -> None:
        """End the watch."""
        self.stop()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _leave(self, waiter: _Waiter) -> None:
        for run in waiter.runs:
            others = self._waiting.get(run)
            if others is not None:
                others.discard(waiter)
                if not others:
                    del self._waiting[run]

    def _wake(self, runs: Iterable[int]) -> None:
        for run in runs:
            for waiter in self._waiting.pop(run, ()):
                waiter.wake(run)

    async def _watch(self) -> None:
        """Look until nobody waits any more."""
        connection = None
        try:
            while self._waiting:
                if self._notices is not None and (connection is None or connection.is_closed()):
                    connection = await self._listen(self._notices)
                self._look_now.clear()
                await self._look()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._interval):
                        await self._look_now.wait()
        finally:
            self._task = None
            if connection is not None:
                connection.terminate()

    async def _look(self) -> None:
        try:
            rows = await self._database().fetch("ended_runs", list(self._waiting))
        except (WindsockError, asyncpg.PostgresError) as error:
            # Whoever waits learns of it when the time is over, unless the database is back by then.
            logger.debug("the runs that are waited for could not be read", extra={"reason": type(error).__name__})
        else:
            self._wake(row["id"] for row in rows)

    async def _listen(self, dsn: "Dsn") -> "asyncpg.Connection[asyncpg.Record] | None":
        connection: asyncpg.Connection[asyncpg.Record] | None = None
        try:
            connection = await asyncpg.connect(**with_session(dsn, KEEPALIVE), timeout=_CONNECT)
            await connection.add_listener(ENDED_CHANNEL, self._hear)
        except SESSION_ERRORS as error:
            logger.debug("cannot listen for the ends of runs", extra={"reason": type(error).__name__})
            if connection is not None:
                connection.terminate()
            return None
        return connection

    def _hear(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:  # noqa: ANN401 - asyncpg's
        ids = str(payload).split(",")
        if all(each.isdecimal() for each in ids):
            self._wake(map(int, ids))
        else:
            self._look_now.set()
