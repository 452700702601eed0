"""Leader election: of all processes that serve a database, one tells others of ends.

It is the process whose connection holds an advisory lock. If it dies, or is suspended or cut off for long, another
one takes its place; for a moment there may then be two of them, so an end may be told twice.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from server.database import statements
from server.database.connections import KEEPALIVE, with_session
from windsock.config import Config

_SQL = statements.load("sessions.sql")
TELLER_LOCK = 0x77690005
"""The advisory lock; those of the scheduler, of who loads DAG files and of listeners have the numbers before it."""
_CONNECT = 5.0
_POLL = 1.0
# A leader that sends nothing for this many seconds loses the lock.
_SILENCE = 15.0


class Lease:
    """A connection that holds the lock."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    async def keep(self) -> None:
        """Show that this process is alive; raises one of SESSION_ERRORS if the lock is lost."""
        await self._connection.fetchval(_SQL["ping"], timeout=_CONNECT)


@asynccontextmanager
async def lease(config: Config) -> AsyncIterator[Lease]:
    """Wait for the lock, and hold it while the block runs; raises one of SESSION_ERRORS."""
    connection = await asyncpg.connect(**_arguments(config), timeout=_CONNECT)
    try:
        if not config.pgbouncer:
            await connection.execute(_SQL["end_when_silent"], str(round(_SILENCE * 1000)))
        take = _take_in_transaction if config.pgbouncer else _take
        while not await take(connection):  # noqa: ASYNC110 - another process decides
            await asyncio.sleep(_POLL)
        yield Lease(connection)
    finally:
        connection.terminate()


def _arguments(config: Config) -> dict[str, Any]:
    if not config.pgbouncer:
        return with_session(config.dsn, KEEPALIVE)
    arguments = config.dsn.connect_arguments()
    name = arguments.get("server_settings", {}).get("application_name", "windsock")
    return {**arguments, "server_settings": {"application_name": name}, "statement_cache_size": 0}


async def _take(connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
    return bool(await connection.fetchval(_SQL["try_lock"], TELLER_LOCK, timeout=_CONNECT))


async def _take_in_transaction(connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
    """Take the lock for a transaction that stays open: PgBouncer lends a session for no longer than that."""
    transaction = connection.transaction()
    await transaction.start()
    if await connection.fetchval(_SQL["try_lock_in_transaction"], TELLER_LOCK, timeout=_CONNECT):
        return True
    await transaction.rollback()
    return False
