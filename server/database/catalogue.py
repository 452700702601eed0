"""What a database is: whose it is, its revision, its tables and columns."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import asyncpg

from server.database import statements
from server.database.connections import Connection as PooledConnection
from server.database.generations import STANDALONE, Generation, generation_of
from server.database.schema import check_schema
from server.errors import StartupError

Connection = PooledConnection | asyncpg.Connection

_SQL = statements.load("catalogue.sql")
# Without the rights for these the service is useless: they are the most frequent ones, and the first of every request.
_ESSENTIAL = ("find_dags", "serialized_dag", "trigger", "find_runs", "find_task_instances", "find_pools")

_PARAMETER = re.compile(r"\$(\d+)")


@dataclass(frozen=True)
class Catalogue:
    """A database as it was at one moment; `columns` are spelled `table.column`.

    `revision` is the content of `alembic_version`, None in a standalone database.
    """

    generation: Generation
    revision: str | None
    reserved_types: tuple[str, ...]
    refuses_double_dots: bool
    tables: frozenset[str]
    columns: frozenset[str]

    @cached_property
    def statements(self) -> Mapping[str, str]:
        """The statements that fit the database, by name."""
        return statements.fit_all(statements.load(*self.generation.files), self.columns)


async def read_catalogue(connection: Connection, *, allow_unknown: bool) -> Catalogue:
    """Read what the database is, all at one moment.

    Raises StartupError for an Airflow's database that Windsock cannot serve, and SchemaError for a standalone one with
    another version.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        tables = frozenset([row[0] for row in await connection.fetch(_SQL["tables"])])
        columns = frozenset([row[0] for row in await connection.fetch(_SQL["columns"])])
        if "alembic_version" not in tables:
            await check_schema(connection)
            return Catalogue(STANDALONE, None, (), refuses_double_dots=False, tables=tables, columns=columns)
        revisions = await _read_revisions(connection)
    generation = generation_of(revisions, columns, allow_unknown=allow_unknown)
    return Catalogue(
        generation,
        " ".join(revisions),
        generation.reserved_types(revisions),
        generation.refuses_double_dots(revisions),
        tables,
        columns,
    )


async def read_revision(connection: Connection) -> str:
    """Return the revision of an Airflow's database, as `Catalogue.revision` has it."""
    return " ".join(await _read_revisions(connection))


async def is_unchanged(connection: Connection, found: Catalogue) -> bool:
    """Whether an Airflow's database still has the revision that was `found`, and tables of roles if it had them."""
    rows = await connection.fetch(_SQL["revisions"])
    revision, has_roles = " ".join(sorted(row[0] for row in rows)), {row[1] for row in rows}
    return revision == found.revision and has_roles <= {"ab_role" in found.tables}


async def check_privileges(
    connection: Connection, statements: Mapping[str, str], names: Iterable[str] = _ESSENTIAL
) -> None:
    """Raise StartupError if the role lacks rights for these statements, the most important ones; changes nothing."""
    try:
        async with connection.transaction(readonly=True):
            for statement in map(statements.__getitem__, names):
                # Postgres checks the privileges of a statement that it explains, and does not run it.
                await connection.fetch(f"EXPLAIN {statement}", *[None] * max(map(int, _PARAMETER.findall(statement))))
    except asyncpg.InsufficientPrivilegeError as error:
        raise StartupError(missing_privilege(error)) from error


def missing_privilege(error: asyncpg.InsufficientPrivilegeError) -> str:
    """Say which right the role lacks, and what to do about it."""
    return f"The database refuses the role of this service: {error}; run deploy/grants.sql again"


async def _read_revisions(connection: Connection) -> list[str]:
    return sorted([row[0] for row in await connection.fetch(_SQL["revisions"])])
