"""Whether a scheduler works on the database, and what waits for it: for `/health`, the warnings and the metrics."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import asyncpg

from server.caching.recent import Recent
from server.database.database import Database
from server.errors import Unavailable
from server.metrics.snapshot import Work

logger = logging.getLogger(__name__)

# After this time without a heartbeat Airflow calls a scheduler unhealthy (scheduler_health_check_threshold).
_HEARTBEAT_LIMIT = timedelta(seconds=30)
# Triggers and scrapes read the database at most once in this many seconds.
KNOWN_SECONDS = 5.0
# The run has been stored by then, so its caller must not wait long for a warning.
_PATIENCE = 2.0
_ONLY = ""


class Heartbeat(NamedTuple):
    """The newest heartbeat of a scheduler, None if there never was one, and whether a scheduler is alive."""

    latest: datetime | None
    alive: bool


class SchedulerHealth:
    """Reads the table `job`, and counts what has not ended."""

    def __init__(self, database: Database) -> None:
        """Read the tables of `database`."""
        self._database = database
        self._warning: Recent[str] = Recent(self._read_warning, KNOWN_SECONDS)
        self._work: Recent[Work] = Recent(self._read_work, KNOWN_SECONDS)

    async def heartbeat(self) -> Heartbeat:
        """Read the heartbeats as they are now; raises Unavailable."""
        row = await self._database.fetchrow("latest_scheduler_heartbeat")
        if row is None or row["latest_heartbeat"] is None:
            return Heartbeat(None, alive=False)
        latest = row["latest_heartbeat"].astimezone(UTC)
        return Heartbeat(latest, bool(row["running"] and datetime.now(UTC) - latest < _HEARTBEAT_LIMIT))

    def known_warning(self) -> str | None:
        """Return the warning that no scheduler will start a run; it is empty if one will.

        If it is None, it is being read: `warning` has it by the time that the run is stored.
        """
        known = self._warning.peek(_ONLY)
        if known is None:
            self._warning.begin(_ONLY)
        return known

    async def warning(self) -> str:
        """Read that warning; it is also empty if reading takes long."""
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._warning.get(_ONLY)
        except TimeoutError:
            return ""

    async def work(self) -> Work:
        """Return what has not ended, as it was counted a moment ago.

        Raises Unavailable if that takes more than 2 seconds, and asyncpg.PostgresError if privileges are missing.
        """
        return await self._work.get(_ONLY)

    async def _read_warning(self, _: str) -> str:
        """Return the warning that no scheduler is alive; an empty one if one is, or if that cannot be read."""
        try:
            latest, alive = await self.heartbeat()
        except (Unavailable, asyncpg.PostgresError) as error:
            logger.warning("the scheduler's heartbeat cannot be read", extra={"reason": type(error).__name__})
            return ""
        if alive:
            return ""
        last = f"the last sign of one was at {latest:%Y-%m-%d %H:%M:%S} UTC" if latest else "there never was one"
        return f"No scheduler of this database is alive ({last}): this run starts when there is one"

    async def _read_work(self, _: str) -> Work:
        statements = self._database.statements
        async with self._database.transaction() as connection:
            await connection.execute(statements["bound_counting"])
            runs = await connection.fetch(statements["unfinished_runs"])
            tasks = await connection.fetch(statements["unfinished_tasks"])
            oldest = await connection.fetchval(statements["oldest_queued"])
            errors = await connection.fetchval(statements["count_import_errors"])
        return Work(
            runs={row["state"]: row["number"] for row in runs},
            tasks={row["state"]: row["number"] for row in tasks},
            oldest_queued=oldest,
            import_errors=errors,
        )
