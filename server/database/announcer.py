"""Wakes the schedulers of a standalone database for runs that have been triggered."""

import asyncio
import logging
from collections.abc import Iterable

import asyncpg

from server.database.database import Database
from server.errors import WindsockError

logger = logging.getLogger(__name__)

CHANNEL = "windsock_runs"
"""Where the schedulers listen. The triggers of `schema.sql` use the same name, which no release can change."""
# With this setting, a session tells the trigger of `dag_run` that the session announces its runs itself.
ANNOUNCES = "windsock.announces"
# Under load each announcement covers many runs. The first one is made at once.
_PAUSE = 0.02


class Announcer:
    """Announces committed runs in transactions of their own, because transactions that notify commit one by one.

    If the database or this process goes away before an announcement, schedulers find the runs at their next heartbeat.
    """

    def __init__(self, database: Database, *, active: bool) -> None:
        """Announce the runs of `database`; if not `active`, nobody listens, or the database does it itself."""
        self._database = database
        self._active = active
        self._new: list[int] = []
        self._task: asyncio.Task[None] | None = None

    def __call__(self, run_ids: Iterable[int]) -> None:
        """Announce these runs soon; the caller does not wait for it."""
        if not self._active:
            return
        self._new += run_ids
        if self._new and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._announce())

    async def close(self) -> None:
        """Wait until all runs have been announced."""
        if self._task is not None:
            await self._task

    async def _announce(self) -> None:
        try:
            while self._new:
                run_ids, self._new = self._new, []
                await self._database.fetch("announce", run_ids, CHANNEL)
                await asyncio.sleep(_PAUSE)
        except (WindsockError, asyncpg.PostgresError) as error:
            logger.warning("new runs could not be announced", extra={"reason": type(error).__name__})
        finally:
            self._task = None
