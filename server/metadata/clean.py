"""Retention: what a standalone database may forget."""

from collections.abc import Mapping
from datetime import datetime

import asyncpg

from server.config import Dsn
from server.metadata import statements
from server.metadata.schema import check_schema

_SQL = statements.load("clean.sql")
_KINDS = ("runs", "log", "job")
_PORTION = 1000


async def clean(dsn: Dsn, before: datetime, *, dry_run: bool = False, portion: int = _PORTION) -> Mapping[str, int]:
    """Delete what ended before that time, `portion` rows a transaction; how many rows of each kind.

    With `dry_run` it counts alone. Raises SchemaError for a database that is not a standalone one.
    """
    conn = await asyncpg.connect(**dsn.connect_arguments())
    try:
        await check_schema(conn)
        if dry_run:
            return {kind: await conn.fetchval(_SQL[f"count_{kind}"], before) for kind in _KINDS}
        return {kind: await _portions(conn, _SQL[f"clean_{kind}"], before, portion) for kind in _KINDS}
    finally:
        await conn.close()


async def _portions(conn: asyncpg.Connection, statement: str, before: datetime, portion: int) -> int:
    total = 0
    while count := await conn.fetchval(statement, before, portion):
        total += count
    return total
