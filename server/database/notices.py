"""What schedulers of a standalone database say at once (`NOTIFY`): which runs are new or have ended, and of tasks."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import asyncpg

from server.database.announcer import CHANNEL as NEW_RUNS
from server.database.connections import KEEPALIVE, SESSION_ERRORS, with_session
from server.database.statements import load
from windsock.config import Dsn

logger = logging.getLogger(__name__)

__all__ = ["ENDED_RUNS", "NEW_RUNS", "TASKS", "Notices"]

ENDED_RUNS = "windsock_ended"
"""Where schedulers say which runs have ended: ids, or nothing if they are too many."""
TASKS = "windsock_tasks"
"""Where schedulers say what becomes of each task, as long as somebody listens (`TASK_LISTENERS`): JSON."""
TASK_LISTENERS = 0x77690004
"""An advisory lock that listeners share. A scheduler that could take it for itself would find nobody listening."""
_CONNECT = 5.0
_TRIES, _PAUSE = 10, 0.02
_SQL = load("notices.sql")


class Notices:
    """A connection that listens; each channel has somebody who is called with the text of a notice."""

    def __init__(self, dsn: Dsn, channels: Mapping[str, Callable[[str], None]]) -> None:
        """Listen at `dsn`, once it is opened."""
        self._dsn = dsn
        self._channels = channels
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._hears_tasks = False

    @property
    def is_open(self) -> bool:
        """Whether it listens; if not, notices may have been missed."""
        return self._connection is not None and not self._connection.is_closed()

    async def open(self, *, tasks: bool) -> bool:
        """Listen, with `tasks` also to what becomes of tasks; return whether notices of that may have been missed."""
        try:
            if self._connection is None or self._connection.is_closed():
                self._connection, self._hears_tasks = await self._connect(), False
            if tasks and not self._hears_tasks:
                return await self._listen_to_tasks(self._connection)
            if self._hears_tasks and not tasks:
                self._hears_tasks = False
                await self._connection.execute(_SQL["ignore_tasks"], TASK_LISTENERS, timeout=_CONNECT)
        except SESSION_ERRORS as error:
            logger.debug("cannot listen to schedulers", extra={"reason": type(error).__name__})
            self.close()
        return False

    async def _listen_to_tasks(self, connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
        """Take the lock; a scheduler that has it, because it has found nobody, commits in a moment."""
        for _ in range(_TRIES):
            if await connection.fetchval(_SQL["listen_to_tasks"], TASK_LISTENERS, timeout=_CONNECT):
                self._hears_tasks = True
                return True
            await asyncio.sleep(_PAUSE)
        return False

    def close(self) -> None:
        """Stop listening."""
        if self._connection is not None:
            self._connection.terminate()
        self._connection, self._hears_tasks = None, False

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
            **with_session(self._dsn, KEEPALIVE), timeout=_CONNECT
        )
        try:
            for channel in self._channels:
                await connection.add_listener(channel, self._hear)
        except BaseException:
            connection.terminate()
            raise
        return connection

    def _hear(self, _connection: Any, _pid: int, channel: str, payload: object) -> None:  # noqa: ANN401 - asyncpg's
        self._channels[channel](str(payload))
