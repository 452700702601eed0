"""Tells those who wait for runs when these have ended: one look for all of them, and none while nobody waits.

A wake-up is a hint, not an answer: whoever is woken reads the state of the run, which may have changed again.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
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
        self._waiting: dict[int, set[asyncio.Future[None]]] = {}
        self._look_now = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.stopped = False

    def __len__(self) -> int:
        """Return how many runs somebody waits for."""
        return len(self._waiting)

    async def wait(self, run: int, seconds: float) -> None:
        """Wait until the run (the `id` of its row) may have ended or is gone, at most so many `seconds`."""
        if self.stopped:
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(run, set()).add(woken)
        if self._task is None:
            self._task = asyncio.create_task(self._watch())
        try:
            async with asyncio.timeout(seconds):
                await woken
        except TimeoutError:
            return
        finally:
            self._leave(run, woken)

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

    def _leave(self, run: int, woken: asyncio.Future[None]) -> None:
        others = self._waiting.get(run)
        if others is not None:
            others.discard(woken)
            if not others:
                del self._waiting[run]

    def _wake(self, runs: Iterable[int]) -> None:
        for run in runs:
            for woken in self._waiting.pop(run, ()):
                if not woken.done():
                    woken.set_result(None)

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
