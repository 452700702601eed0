"""Notices that the database is migrated underneath a running service, and when the migration is done.

Each migration of Airflow commits its changes together with its revision in `alembic_version`. The statement that
writes runs compares that revision itself. If a statement fails because of a table or column, the service compares the
whole catalogue, and it also looks at the revision from time to time. Once something differs, no connection is lent
until two looks in a row have found the same database, and this release can serve it.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial

import asyncpg

from server.caching.single_flight import SingleFlight
from server.database.catalogue import (
    Catalogue,
    check_privileges,
    is_unchanged,
    missing_privilege,
    read_catalogue,
    read_revision,
)
from server.database.connections import Connection, Connections
from server.database.generations import UnknownAirflow
from server.database.lost import lost_database
from server.database.schema import SchemaError
from server.errors import SchemaChanged, StartupError, Unavailable, WindsockError
from server.process.cancellation import pause
from windsock.protocol import Code

logger = logging.getLogger(__name__)

# The seconds between two looks: while the schema is served, and while it is not.
_EVERY = 5.0
_SOON = 1.0
# The errors of a statement that is for another schema: no such table or column, or of another type (42), a stale plan
# (0A), a table that has just been dropped (XX), a column that needs a value (23502).
_DOUBTFUL_CLASSES = frozenset({"42", "0A", "XX"})
_NOT_NULL = "23502"
_UNFIT = asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InvalidCachedStatementError
_UNREADABLE = StartupError, SchemaError, asyncpg.PostgresError

_MIGRATING = "The database is being migrated (alembic_version: {}); nothing was done, try again shortly"
_MIGRATED = "The database is being migrated, or has just been; nothing was done, try again shortly"
_LACKS = "The database lacks a table or column that this request needs; nothing was done"


class SchemaWatch:
    """Compares a database with what was found before."""

    def __init__(
        self,
        connections: Connections,
        found: Catalogue,
        serve: Callable[[Catalogue], None],
        *,
        allow_unknown: bool,
        every: float = _EVERY,
        soon: float = _SOON,
    ) -> None:
        """Watch the database of `connections`; `serve` is called with each new schema that is to be served.

        It looks once in `every` seconds. After an error, and during a migration, it looks again after `soon` seconds.
        """
        self._every, self._soon = every, soon
        self.found = found
        self._connections = connections
        self._serve = serve
        self._look = partial(read_catalogue, allow_unknown=allow_unknown)
        self._compare_revision: SingleFlight[None, None] = SingleFlight(
            lambda _: self._compare(self._has_found_revision), fresh=True
        )
        self._compare_all: SingleFlight[None, None] = SingleFlight(
            lambda _: self._compare(self._is_as_found), fresh=True
        )
        self._wake = asyncio.Event()
        self._problem: str | None = None

    @property
    def refuses(self) -> bool:
        """Whether requests are refused because of the schema."""
        return self._problem is not None

    async def keep(self) -> None:
        """Look from time to time, and after a change until it is over; ends only when it is cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._look_once()
            except Exception:
                # Without this watch a schema that is refused would be refused for ever.
                logger.exception("the schema could not be looked at; it will be tried again")
                await pause(self._soon)
            # The error that the look has passed over may be all that is left of a cancellation.
            await pause(0)

    async def _look_once(self) -> None:
        with suppress(WindsockError):
            await self.check()
        if self.refuses:
            await self._begin_to_serve(await self._settled())

    async def check(self) -> None:
        """Raise SchemaChanged unless the database has the revision that was found; Unavailable if it is lost."""
        if self._problem is not None:
            raise SchemaChanged(self._problem)
        if self.found.revision is not None:
            await self._compare_revision(None)

    def changed(self) -> SchemaChanged:
        """Make the watch look at once; return the error for a caller who has noticed that the schema has changed."""
        self._wake.set()
        return SchemaChanged(self._problem or _MIGRATED)

    async def doubt(self, error: asyncpg.PostgresError, made_for: Catalogue) -> None:
        """Find out whether a statement that was `made_for` a schema failed because it met another one.

        If so, raises SchemaChanged. If nothing has changed, but the database lacks what the statement needs or the role
        may not use it, raises Unavailable. Otherwise the error is what it seems to be.
        """
        if made_for.revision is None or not _is_doubtful(error):
            # Only Windsock changes a standalone database.
            return
        if self.refuses or made_for is not self.found:
            raise self.changed() from error
        if isinstance(error, asyncpg.InsufficientPrivilegeError):
            # A migration that takes privileges away changes the revision too; reading the whole catalogue takes longer.
            await self._compare_revision(None)
            logger.warning(missing_privilege(error))
            raise Unavailable(missing_privilege(error), code=Code.DATABASE_UNAVAILABLE) from error
        await self._compare_all(None)
        if isinstance(error, _UNFIT):
            logger.warning("a statement does not fit the database", extra={"reason": str(error)})
            raise Unavailable(_LACKS, code=Code.DATABASE_UNAVAILABLE) from error

    async def _compare(self, is_same: Callable[[Connection], Coroutine[None, None, bool]]) -> None:
        try:
            with lost_database():
                async with self._connections.lent_anyway() as connection:
                    if await is_same(connection):
                        return
                    problem = _MIGRATING.format(await _revision(connection))
        except _UNREADABLE as error:
            problem = _words(error)
        await self._refuse(problem)
        raise SchemaChanged(problem)

    async def _has_found_revision(self, connection: Connection) -> bool:
        async with connection.transaction(readonly=True):
            return await is_unchanged(connection, self.found)

    async def _is_as_found(self, connection: Connection) -> bool:
        # Others may add tables and columns of their own.
        now, found = await self._look(connection), self.found
        same = (now.revision, now.statements) == (found.revision, found.statements)
        return same and found.tables <= now.tables and found.columns <= now.columns

    async def _refuse(self, problem: str) -> None:
        if problem != self._problem:
            logger.warning("all requests are refused until the schema can be served", extra={"reason": problem})
        self._problem = problem
        self._wake.set()
        await self._connections.refuse(lambda: SchemaChanged(problem))

    async def _settled(self) -> Catalogue:
        """Look until the database has been the same for two looks and the role may use it."""
        before = None
        while True:
            await pause(self._soon)
            now = None
            try:
                with lost_database():
                    async with self._connections.lent_anyway() as connection:
                        now = await self._look(connection)
                        if now == before:
                            await check_privileges(connection, now.statements)
                            return now
            except _UNREADABLE as error:
                await self._refuse(_words(error))
            except Unavailable:
                # The log already has a line about a lost database.
                continue
            before = now

    async def _begin_to_serve(self, catalogue: Catalogue) -> None:
        self.found = catalogue
        self._serve(catalogue)
        self._problem = None
        await self._connections.admit()
        logger.info("the schema is served", extra={"alembic_version": catalogue.revision})


def _is_doubtful(error: asyncpg.PostgresError) -> bool:
    return (error.sqlstate or "")[:2] in _DOUBTFUL_CLASSES or error.sqlstate == _NOT_NULL


async def _revision(connection: Connection) -> str:
    async with connection.transaction(readonly=True):
        return await read_revision(connection)


def _words(error: Exception) -> str:
    """Say for callers why the schema cannot be served."""
    if isinstance(error, UnknownAirflow):
        return error.brief
    if isinstance(error, StartupError | SchemaError):
        return str(error)
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return missing_privilege(error)
    return "The database is being migrated; nothing was done, try again shortly"
