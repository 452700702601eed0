"""The schema of a standalone database: `initdb` applies it, and everything that writes DAGs or runs tasks checks it.

`schema.sql` has numbered sections; the table `windsock_schema` has a row for each one that was applied.
"""

import re
from functools import cache
from importlib import resources
from typing import Any, NamedTuple, Protocol

import asyncpg

from server.database import statements
from server.database.connections import connect
from windsock.config import Dsn

_SQL = statements.load("sessions.sql", "schema_state.sql")

# The advisory lock of whoever applies the schema. Any number will do, but it must stay the same.
_LOCK_KEY = 0x77696E64
_SECTION = re.compile(r"^-- version: (\d+)$", re.MULTILINE)


class SchemaError(Exception):
    """Windsock must not write to the database as its own. The message says what to do."""


class Connection(Protocol):
    """The common methods of an asyncpg connection, a pooled one and a pool itself."""

    async def fetchval(self, query: str, *args: object) -> Any:  # noqa: ANN401 - as asyncpg declares it
        """Return one value."""


class Section(NamedTuple):
    """One numbered step of the schema."""

    version: int
    sql: str


class Schema(NamedTuple):
    """The parsed `schema.sql`."""

    preamble: str
    sections: tuple[Section, ...]

    @property
    def version(self) -> int:
        """The version of a database to which all sections were applied."""
        return self.sections[-1].version


def parse_schema(text: str) -> Schema:
    """Split the text at its `-- version: N` lines. Raises ValueError unless they count 1, 2, 3, ..."""
    preamble, *rest = _SECTION.split(text)
    versions = [int(number) for number in rest[::2]]
    if not versions or versions != list(range(1, len(versions) + 1)):
        message = f"the sections of schema.sql must be numbered 1, 2, 3, ...: {versions}"
        raise ValueError(message)
    return Schema(preamble, tuple(map(Section, versions, rest[1::2])))


@cache
def load_schema() -> Schema:
    """Return the schema of this release."""
    return parse_schema(resources.files("server").joinpath("schema.sql").read_text(encoding="utf-8"))


async def initdb(dsn: Dsn) -> list[int]:
    """Upgrade the database to this release's schema, and return the versions that were applied, [] if none.

    It may be repeated, and may run many times at once. Raises SchemaError for an Airflow's database and for one of a
    newer release, and NoDatabase if it cannot connect.
    """
    conn = await connect(dsn)
    try:
        return await _apply(conn, load_schema())
    finally:
        await conn.close()


async def _apply(conn: asyncpg.Connection, schema: Schema) -> list[int]:
    async with conn.transaction():
        await conn.execute(_SQL["lock"], _LOCK_KEY)
        await refuse_airflow(conn)
        current = await schema_version(conn) or 0
        if current > schema.version:
            raise _newer(current, schema.version)
        missing = [section for section in schema.sections if section.version > current]
        if missing:
            await conn.execute(schema.preamble)
        for section in missing:
            await conn.execute(section.sql)
            await conn.execute(_SQL["note_version"], section.version)
    return [section.version for section in missing]


async def check_schema(conn: Connection) -> None:
    """Raise SchemaError unless this is a standalone database of exactly this release's version."""
    await refuse_airflow(conn)
    current, wanted = await schema_version(conn), load_schema().version
    if current is None:
        message = "this database has no schema of Windsock: run `windsock initdb` first"
        raise SchemaError(message)
    if current < wanted:
        message = f"this database has schema version {current}, this release needs {wanted}: run `windsock initdb`"
        raise SchemaError(message)
    if current > wanted:
        raise _newer(current, wanted)


async def refuse_airflow(conn: Connection) -> None:
    """Raise SchemaError if an Airflow made the database."""
    if await conn.fetchval(_SQL["is_airflow"]):
        message = (
            "this database belongs to an Airflow (it has a table alembic_version); Windsock leaves it alone:"
            " name another database for standalone use"
        )
        raise SchemaError(message)


async def schema_version(conn: Connection) -> int | None:
    """Return the newest version that was applied; None if `initdb` never ran."""
    if not await conn.fetchval(_SQL["is_marked"]):
        return None
    version: int | None = await conn.fetchval(_SQL["version"])
    return version


def _newer(current: int, known: int) -> SchemaError:
    return SchemaError(f"this database has schema version {current}, this release knows {known}: update Windsock")
