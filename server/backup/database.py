"""Looks at a database before it is backed up or overwritten."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import asyncpg

from server.config import Dsn
from server.errors import StartupError
from server.metadata import schema, statements
from server.words import count

_SQL = statements.load("backup.sql", package="server.backup")
_NOUNS = {"dags": "DAG", "runs": "run", "users": "user", "pools": "pool", "log_rows": "log row"}
_TABLE = re.compile(r"^CREATE TABLE IF NOT EXISTS (\w+)", re.MULTILINE)


class BackupError(StartupError):
    """The reason why there is no backup or no restore; nothing was changed."""


class Found(NamedTuple):
    """A database: `version` is that of its schema, None if Windsock did not make it."""

    server: int
    schema: str
    role: str
    database: str
    version: int | None
    relations: Sequence[str]
    contents: Mapping[str, int]
    sessions: int


def look(dsn: Dsn) -> Found:
    """Read what the database has. Raises SchemaError for an Airflow's database, and what asyncpg raises."""
    return asyncio.run(_look(dsn))


async def _look(dsn: Dsn) -> Found:
    conn = await asyncpg.connect(**dsn.connect_arguments())
    try:
        await schema.refuse_airflow(conn)
        server = await conn.fetchrow(_SQL["server"])
        if server["schema"] is None:
            raise BackupError("the search_path of this database names no schema that exists")
        version = await schema.schema_version(conn)
        return Found(
            server["major"],
            server["schema"],
            server["role"],
            server["database"],
            version,
            [row["relname"] for row in await conn.fetch(_SQL["relations"])],
            dict(await conn.fetchrow(_SQL["contents"])) if version else {},
            await conn.fetchval(_SQL["sessions"]),
        )
    finally:
        await conn.close()


def check_overwriting(found: Found, *, force: bool) -> None:
    """Raise BackupError unless a backup may replace what is in the database."""
    if found.version is None and found.relations:
        raise BackupError(
            f"this database is not Windsock's: it has other tables ({_listed(found.relations)});"
            " name an empty database, or one that `windsock initdb` made"
        )
    if found.sessions:
        raise BackupError(
            f"Windsock uses this database ({count(found.sessions, 'session')}): stop the API and the scheduler first"
        )
    had = ", and ".join(filter(None, (say_contents(found.contents), _others(found))))
    if found.version and not force and had:
        raise BackupError(f"this database has data already ({had}): --force replaces all of it")


def say_contents(contents: Mapping[str, int]) -> str:
    """Return a text such as `2 DAGs, 1 run`; an empty one if there is nothing."""
    return ", ".join(count(number, _NOUNS[kind]) for kind, number in contents.items() if number)


def _others(found: Found) -> str:
    known = {name for section in schema.load_schema().sections for name in _TABLE.findall(section.sql)}
    strange = [name for name in found.relations if name not in known | {"windsock_schema"}]
    return f"tables that this release does not know: {_listed(strange)}" if strange else ""


def _listed(names: Sequence[str]) -> str:
    most = 5
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
