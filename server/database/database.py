"""Runs named statements, returns rows, and turns a lost database into `Unavailable`."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from server.database.catalogue import read_revision
from server.database.connections import Connection, Connections
from server.database.lost import lost_database
from server.database.watch import SchemaWatch
from server.errors import Locked, SchemaChanged

# Postgres undid the transaction as a whole.
_UNDONE = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_ATTEMPTS = 3
_IN_THE_WAY = "Another transaction was in the way; nothing was done, try again shortly"


DagIds = Sequence[str]


class Database:
    """Runs named statements on pooled connections."""

    def __init__(
        self,
        connections: Connections,
        statements: Mapping[str, str],
        *,
        pgbouncer: bool = False,
        watch: SchemaWatch | None = None,
    ) -> None:
        """Run `statements` on `connections`.

        Behind `pgbouncer` in transaction mode a statement is parsed and run in two messages, which reach the same
        server only inside of a transaction, so every statement gets one. `watch` is called if a statement fails because
        the schema is not the one that it had found when this object was made.
        """
        self._in_transaction = pgbouncer
        self._watch = watch
        self._made_for = watch.found if watch else None
        self.connections = connections
        self.statements = statements
        # A stream lasts as long as its reader likes, so all streams together must leave connections for everything
        # else.
        self._streams = asyncio.Semaphore(max(1, connections.limit // 2))

    def with_statements(self, statements: Mapping[str, str]) -> "Database":
        """Return the same database with other statements."""
        return Database(self.connections, statements, pgbouncer=self._in_transaction, watch=self._watch)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection; raises Unavailable if none is free in time or the database is lost."""
        try:
            with lost_database():
                connection, failed = await self.connections.lend(), True
                try:
                    yield connection
                    failed = False
                except TimeoutError:
                    await self._give_up(connection)
                    raise
                finally:
                    await self.connections.take_back(connection, failed=failed)
        except asyncpg.PostgresError as error:
            if self._watch is not None and self._made_for is not None:
                await self._watch.doubt(error, self._made_for)
            raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction that commits unless an exception leaves the block.

        Raises what `connection` does, and Locked if Postgres undid the transaction because of a deadlock.
        """
        try:
            async with self.connection() as connection, connection.transaction():
                try:
                    yield connection
                except TimeoutError:
                    await self._give_up(connection)
                    raise
        except _UNDONE as error:
            raise Locked(_IN_THE_WAY) from error

    async def fetch(self, name: str, *arguments: object) -> list[asyncpg.Record]:
        """Return the rows of the statement `name`; after a deadlock, try again, and then raise Locked."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._fetch(name, arguments)
            except _UNDONE:
                continue
        try:
            return await self._fetch(name, arguments)
        except _UNDONE as error:
            raise Locked(_IN_THE_WAY) from error

    async def fetch_each(
        self, name: str, requests: Sequence[tuple[object, ...]], *more: object
    ) -> list[asyncpg.Record]:
        """Return the rows of the statement `name`, which many requests share; each of their columns is one JSON array.

        `more` are arguments for all of them. Raises DataError if a value cannot even be written, as if Postgres had
        refused it.
        """
        try:
            columns = [json_column(column) for column in zip(*requests, strict=True)]
        except (ValueError, OverflowError) as error:
            raise asyncpg.DataError(str(error)) from error
        return await self.fetch(name, *columns, *more)

    async def fetchrow(self, name: str, *arguments: object) -> asyncpg.Record | None:
        """Return the first row of the statement `name`, or None."""
        rows = await self.fetch(name, *arguments)
        return rows[0] if rows else None

    async def fetchval(self, name: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever the column holds
        """Return the first column of the first row of the statement `name`, or None."""
        row = await self.fetchrow(name, *arguments)
        return row[0] if row else None

    async def require_schema(self, connection: Connection) -> None:
        """Raise SchemaChanged if a revision other than the statements' has been committed."""
        revision = self._made_for.revision if self._made_for else None
        if revision is not None and await read_revision(connection) != revision:
            raise self.changed()

    def changed(self) -> SchemaChanged:
        """Report that the schema is not the statements' any more; return the error to raise."""
        if self._watch is None:
            raise RuntimeError("nobody watches this database's schema")
        return self._watch.changed()

    async def stream(self, name: str, arguments: Sequence[object], page: int) -> AsyncGenerator[list[str], None]:
        """Yield pages of the statement's first column, as `stream_rows` yields its rows."""
        async with aclosing(self.stream_rows(name, arguments, page)) as pages:
            async for rows in pages:
                yield [row[0] for row in rows]

    async def stream_rows(
        self, name: str, arguments: Sequence[object], page: int
    ) -> AsyncGenerator[list[asyncpg.Record], None]:
        """Yield pages of the statement's rows, from one snapshot, `page` rows at a time.

        It holds a connection until it is closed.
        """
        async with self._room_to_stream(), self.transaction() as connection:
            cursor = await connection.cursor(self.statements[name], *arguments)
            while rows := await cursor.fetch(page):
                yield rows

    async def _give_up(self, connection: Connection) -> None:
        """Wait until Postgres has cancelled what took too long; if it does not even do that, end the connection.

        asyncpg would wait as long as for the statement itself. To end it at once would leave the statement running.
        """
        try:
            async with asyncio.timeout(self.connections.acquire_timeout):
                await connection.execute("ROLLBACK")
        except TimeoutError:
            connection.terminate()

    @asynccontextmanager
    async def _room_to_stream(self) -> AsyncIterator[None]:
        with lost_database():
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


def ordered(name: str, *, descending: bool) -> str:
    """Return the name of the statement that lists in that order."""
    return f"{name}_descending" if descending else name


def of_readable(name: str, dag_ids: DagIds | None) -> tuple[Any, ...]:
    """Return the name of the statement that lists what is of these DAGs alone, and its argument; None: of all DAGs."""
    return (name,) if dag_ids is None else (f"readable.{name}", dag_ids)


def json_column(column: Sequence[Any]) -> str:
    """Write a column of requests as a JSON array, with dates in UTC: msgspec would round offsets that have seconds."""
    if isinstance(column[0], datetime):
        column = [date.astimezone(UTC) for date in column]
    return msgspec.json.encode(column).decode()
