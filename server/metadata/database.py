"""Named statements in, rows out, and a lost database turned into `Unavailable`."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from server.errors import Locked, Unavailable
from server.metadata.connections import Connection, Connections
from server.observe.counters import COUNTERS

logger = logging.getLogger(__name__)

# SQLSTATE classes that say "not now" rather than "not like this": connection (08), authorisation (28),
# missing database (3D), resources (53), operator intervention (57), system (58).
_TRANSIENT_CLASSES = frozenset({"08", "28", "3D", "53", "57", "58"})
_READ_ONLY = "25006"
# Nobody knows whether it was done (40003), so it is not tried again.
_UNKNOWN = "40003"
_RETRIED = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_ATTEMPTS = 3
_REPORT_INTERVAL = 1.0


class _Report:
    """Logs a lost database once in a while, not once a request."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, error: Exception) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _REPORT_INTERVAL
            reason = getattr(error, "sqlstate", None) or type(error).__name__
            logger.warning("database unavailable", extra={"reason": reason})


_report = _Report()


@contextmanager
def _lost_database() -> Iterator[None]:
    try:
        yield
    except asyncpg.PostgresError as error:
        state = error.sqlstate or ""
        COUNTERS.database_errors[state[:2] or "none"] += 1
        if isinstance(error, asyncpg.LockNotAvailableError):
            raise Locked("Another transaction holds what this request needs; try again shortly") from error
        if state[:2] in _TRANSIENT_CLASSES or state in {_READ_ONLY, _UNKNOWN}:
            _report(error)
            raise Unavailable("The database is not available at the moment; try again shortly") from error
        raise
    except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        COUNTERS.database_errors["timeout" if isinstance(error, TimeoutError) else "connection"] += 1
        _report(error)
        raise Unavailable("The database is not available at the moment; try again shortly") from error


class Database:
    """Runs named statements on pooled connections."""

    def __init__(self, connections: Connections, statements: Mapping[str, str], *, pgbouncer: bool = False) -> None:
        """Run `statements` on `connections`.

        Behind `pgbouncer` in transaction mode a statement is parsed and run in two messages that reach the same
        server only inside of a transaction, so every statement gets one.
        """
        self._in_transaction = pgbouncer
        self.connections = connections
        self.statements = statements
        # A stream lasts as long as its reader likes: all of them together leave connections for everything else.
        self._streams = asyncio.Semaphore(max(1, connections.limit // 2))

    def with_statements(self, statements: Mapping[str, str]) -> "Database":
        """Return the same database with other statements."""
        return Database(self.connections, statements, pgbouncer=self._in_transaction)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection; raises Unavailable when none is free in time or the database is lost."""
        with _lost_database():
            connection, failed = await self.connections.lend(), True
            try:
                yield connection
                failed = False
            except TimeoutError:
                await self._give_up(connection)
                raise
            finally:
                await self.connections.take_back(connection, failed=failed)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction that commits unless an exception leaves the block."""
        async with self.connection() as connection, connection.transaction():
            try:
                yield connection
            except TimeoutError:
                await self._give_up(connection)
                raise

    async def fetch(self, name: str, *arguments: object) -> list[asyncpg.Record]:
        """Rows of the statement `name`; tried again where Postgres undid it for a deadlock."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._fetch(name, arguments)
            except _RETRIED:
                continue
        return await self._fetch(name, arguments)

    async def fetch_each(self, name: str, requests: Sequence[tuple[object, ...]]) -> list[asyncpg.Record]:
        """Rows of the statement `name` that many requests share; each column of theirs is one JSON array.

        Raises DataError, as for what Postgres refuses, for what cannot even be written.
        """
        try:
            columns = [_json(column) for column in zip(*requests, strict=True)]
        except (ValueError, OverflowError) as error:
            raise asyncpg.DataError(str(error)) from error
        return await self.fetch(name, *columns)

    async def fetchrow(self, name: str, *arguments: object) -> asyncpg.Record | None:
        """Answer the first row of the statement `name`, or None."""
        rows = await self.fetch(name, *arguments)
        return rows[0] if rows else None

    async def fetchval(self, name: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever the column holds
        """Answer the first column of the first row of the statement `name`, or None."""
        row = await self.fetchrow(name, *arguments)
        return row[0] if row else None

    async def stream(self, name: str, arguments: Sequence[object], page: int) -> AsyncGenerator[list[str], None]:
        """Pages of the statement's first column, from one snapshot, `page` rows at a time.

        It has a connection until it is closed.
        """
        async with self._room_to_stream(), self.transaction() as connection:
            cursor = await connection.cursor(self.statements[name], *arguments)
            while rows := await cursor.fetch(page):
                yield [row[0] for row in rows]

    async def _give_up(self, connection: Connection) -> None:
        """Wait until Postgres has cancelled what took too long; end a connection where it does not even do that.

        asyncpg would wait as long as for the statement itself. To end it at once would leave the statement running.
        """
        try:
            async with asyncio.timeout(self.connections.acquire_timeout):
                await connection.execute("ROLLBACK")
        except TimeoutError:
            connection.terminate()

    @asynccontextmanager
    async def _room_to_stream(self) -> AsyncIterator[None]:
        with _lost_database():
            async with asyncio.timeout(self.connections.acquire_timeout):
                await self._streams.acquire()
        try:
            yield
        finally:
            self._streams.release()

    async def _fetch(self, name: str, arguments: Sequence[object]) -> list[asyncpg.Record]:
        lend = self.transaction if self._in_transaction else self.connection
        async with lend() as connection:
            return await connection.fetch(self.statements[name], *arguments)


def _json(column: Sequence[Any]) -> str:
    """Write a column, dates in UTC: msgspec would round offsets that have seconds."""
    if isinstance(column[0], datetime):
        column = [date.astimezone(UTC) for date in column]
    return msgspec.json.encode(column).decode()
