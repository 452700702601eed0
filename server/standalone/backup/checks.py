"""Looks at a database before it is backed up or overwritten."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from server.database import schema, statements
from server.database.connections import connect
from server.errors import StartupError
from windsock.config import Dsn
from windsock.text import count

_SQL = statements.load("backup.sql")
_NOUNS = {
    "dag": "DAG",
    "dag_run": "run",
    "users": "user",
    "windsock_token": "token",
    "slot_pool": "pool",
    "log": "log row",
}
_OURS = re.compile(r"^CREATE (?:TABLE IF NOT EXISTS|OR REPLACE FUNCTION) (\w+)", re.MULTILINE)


class BackupError(StartupError):
    """The reason why there is no backup or no restore; nothing was changed."""


class Found(NamedTuple):
    """A database: `version` is that of its schema, None if Windsock did not make it.

    `server` is the major release of its Postgres, `instance` identifies the running server. `objects` are the names of
    everything that a restore drops. `contents` is the number of rows by table.
    """

    server: int
    instance: str
    schema: str
    role: str
    database: str
    version: int | None
    objects: Sequence[str]
    contents: Mapping[str, int]
    sessions: int


def look(dsn: Dsn) -> Found:
    """Read what the database has. Raises SchemaError for an Airflow's database, NoDatabase, and what asyncpg raises."""
    return asyncio.run(_look(dsn))


async def _look(dsn: Dsn) -> Found:
    conn = await connect(dsn)
    try:
        await conn.execute(_SQL["bound_waiting"])
        await schema.refuse_airflow(conn)
        server = await conn.fetchrow(_SQL["server"])
        if server is None or server["schema"] is None:
            raise BackupError("the search_path of this database names no schema that exists")
        version = await schema.schema_version(conn)
        objects = [row["name"] for row in await conn.fetch(_SQL["objects"])]
        # A missing table is a reason to restore.
        tables = [table for table in _NOUNS if version and table in objects]
        return Found(
            server["major"],
            server["instance"],
            server["schema"],
            server["role"],
            server["database"],
            version,
            objects,
            {table: await conn.fetchval(_SQL[f"count_{table}"]) for table in tables},
            await conn.fetchval(_SQL["sessions"]),
        )
    finally:
        await conn.close()


def check_overwriting(found: Found, *, force: bool) -> None:
    """Raise BackupError unless a backup may replace what is in the database."""
    if found.version is None and found.objects:
        raise BackupError(
            f"this database is not Windsock's: it has other tables, functions or types ({_listed(found.objects)});"
            " name an empty database, or one that `windsock initdb` made"
        )
    if found.sessions:
        raise BackupError(
            f"Windsock uses this database ({count(found.sessions, 'session')}): stop the API and the scheduler first,"
            " and PgBouncer if there is one"
        )
    had = ", and ".join(filter(None, (say_contents(found.contents), _others(found))))
    if found.version and not force and had:
        raise BackupError(f"this database has data already ({had}): --force replaces all of it")


def say_contents(contents: Mapping[str, int]) -> str:
    """Return a text such as `2 DAGs, 1 run`; an empty one if there is nothing."""
    return ", ".join(count(number, _NOUNS[table]) for table, number in contents.items() if number)


def _others(found: Found) -> str:
    current = schema.load_schema()
    known = {*_OURS.findall(current.preamble), *(name for each in current.sections for name in _OURS.findall(each.sql))}
    strange = [name for name in found.objects if name not in known]
    return f"tables, functions or types that this release does not know: {_listed(strange)}" if strange else ""


def _listed(names: Sequence[str]) -> str:
    most = 5
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
