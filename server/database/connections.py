"""Lends a pool's connections, and keeps returned ones: the pool's own lending costs as much as a short statement."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from server.errors import NoDatabase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from windsock.config import Config, Dsn

# A row that another transaction has inserted but not committed must not hold up a whole batch for long.
_SESSION = {"application_name": "windsock", "lock_timeout": "2s"}
# A machine that has vanished silently is noticed within half a minute.
KEEPALIVE = {
    "tcp_keepalives_idle": "15", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3", "tcp_user_timeout": "30s",
}  # fmt: skip

Connection = asyncpg.pool.PoolConnectionProxy


SESSION_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""The exceptions of a session that is used for long: the database may be lost at any moment."""
UNREACHABLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""The exceptions of connecting."""


def no_database(dsn: "Dsn", error: Exception) -> NoDatabase:
    """Build the error for a database that cannot be reached."""
    return NoDatabase(f"cannot connect to {dsn.redacted()}: {str(error) or 'no answer in time'}")


async def connect(dsn: "Dsn") -> "asyncpg.Connection[asyncpg.Record]":
    """Connect without a pool; raises NoDatabase, and ConfigError if no database is configured."""
    arguments = dsn.connect_arguments()
    try:
        return await asyncpg.connect(**arguments)
    except UNREACHABLE as error:
        raise no_database(dsn, error) from error


class Connections:
    """The connections of a pool. After the first loan all borrowers must come here: the pool lacks the kept ones."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", acquire_timeout: float) -> None:
        """Lend what `pool` has; `acquire_timeout`, in seconds, limits the wait for a free connection."""
        self.acquire_timeout = acquire_timeout
        self._pool = pool
        self._kept: list[Connection] = []
        self._wanted = 0
        self._refusal: Callable[[], Exception] | None = None

    @property
    def limit(self) -> int:
        """The most connections that there may be."""
        return self._pool.get_max_size()

    def figures(self) -> tuple[int, int, int]:
        """Return how many connections are open, how many of these are idle, and how many there may be."""
        return self._pool.get_size(), self._pool.get_idle_size() + len(self._kept), self.limit

    async def lend(self) -> Connection:
        """Lend a connection; raises TimeoutError if none is free in time, or what connecting raises."""
        if (kept := await self._take_kept()) is not None:
            return kept
        if self._refusal is not None:
            raise self._refusal()
        return await self._acquire()

    @asynccontextmanager
    async def lent_anyway(self) -> AsyncIterator[Connection]:
        """Lend a connection while the block runs, even while others are refused; raises what `lend` does."""
        connection = await self._take_kept() or await self._acquire()
        try:
            yield connection
        finally:
            await self._pool.release(connection)

    async def refuse(self, error: Callable[[], Exception]) -> None:
        """Lend nothing from now on: `lend` raises the exception that `error` makes."""
        if self._refusal is None:
            # Returned connections go to the pool, because borrowers would take kept ones first.
            self._wanted += 1
        self._refusal = error
        while self._kept:
            await self._pool.release(self._kept.pop())

    async def admit(self) -> None:
        """Lend again, but only new connections: what older ones know of the schema may be out of date."""
        if self._refusal is not None:
            self._refusal = None
            self._wanted -= 1
        await self._pool.expire_connections()

    async def _take_kept(self) -> Connection | None:
        while self._kept:
            connection = self._kept.pop()
            if _is_open(connection):
                return connection
            await self._pool.release(connection)
        return None

    async def _acquire(self) -> Connection:
        self._wanted += 1
        try:
            async with asyncio.timeout(self.acquire_timeout):
                return await self._pool.acquire()
        finally:
            self._wanted -= 1

    async def take_back(self, connection: Connection, *, failed: bool = False) -> None:
        """Keep the connection for the next borrower, unless others are waiting for one or its borrower `failed`."""
        if failed or self._wanted:
            await self._pool.release(connection)
        else:
            self._kept.append(connection)

    async def close(self) -> None:
        """Close all connections as soon as their borrowers are done with them."""
        # Connections that are returned from now on go to the pool.
        self._wanted += 1
        while self._kept:
            await self._pool.release(self._kept.pop())
        await self._pool.close()


def _is_open(connection: Connection) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:
        # The pool noticed that it was lost, and has taken it back.
        return False


def with_session(dsn: "Dsn", session: "Mapping[str, str]") -> dict[str, Any]:
    """Return asyncpg's arguments for connecting with these settings of the session, unless the DSN has others."""
    arguments = dsn.connect_arguments()
    return {**arguments, "server_settings": {**session, **arguments.get("server_settings", {})}}


async def open_pool(config: "Config", **session: str) -> "asyncpg.Pool[asyncpg.Record]":
    """Open the pool that `config` describes; raises OSError or asyncpg.PostgresError if it cannot connect.

    `session` has more settings for its sessions; PgBouncer does not pass them on.
    """
    if config.pgbouncer:
        arguments = config.dsn.connect_arguments()
        # PgBouncer passes on only the name of a session, and it knows prepared statements only since 1.21.
        name = arguments.get("server_settings", {}).get("application_name", _SESSION["application_name"])
        arguments["server_settings"] = {"application_name": name}
        arguments["statement_cache_size"] = 0
    else:
        arguments = with_session(config.dsn, {**_SESSION, **session})
    return await asyncpg.create_pool(
        **arguments,
        min_size=config.pool_min_size,
        max_size=config.pool_max_size,
        max_inactive_connection_lifetime=0,
        command_timeout=config.statement_timeout,
        reset=_keep_session,
    )


async def _keep_session(_connection: Any) -> None:  # noqa: ANN401 - asyncpg's own type is private
    """Do nothing: no statement of ours leaves session state behind, and a RESET costs a round trip."""
