"""Retention: deletes old rows and logs of a standalone database."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

import asyncpg

from server.database import statements
from server.database.connections import connect
from server.database.schema import check_schema
from server.task_logs.reading import remove_logs
from windsock.config import Dsn

_SQL = statements.load("clean.sql")
_KINDS = ("runs", "log", "job")
_PORTION = 1000


async def clean(
    dsn: Dsn, before: datetime, logs: Path, *, dry_run: bool = False, portion: int = _PORTION
) -> Mapping[str, int]:
    """Delete what ended before that time, `portion` rows in each transaction; return how many rows of each kind.

    The logs of the runs' tasks below `logs` are deleted too. With `dry_run` it only counts rows. Raises SchemaError for
    a database that is not a standalone one, NoDatabase, and OSError for a log that cannot be removed: then its run
    stays.
    """
    conn = await connect(dsn)
    try:
        await check_schema(conn)
        if dry_run:
            return {kind: await conn.fetchval(_SQL[f"count_{kind}"], before) for kind in _KINDS}
        runs, task_logs = await _clean_runs(conn, before, portion, logs)
        return {
            "runs": runs,
            "task logs": task_logs,
            "log": await _in_portions(partial(conn.fetchval, _SQL["clean_log"], before, portion)),
            "job": await _in_portions(partial(conn.fetchval, _SQL["clean_job"], before, portion)),
        }
    finally:
        await conn.close()


async def _clean_runs(conn: asyncpg.Connection, before: datetime, portion: int, logs: Path) -> tuple[int, int]:
    """Delete runs and the logs of their task instances; return how many of each."""
    runs = task_logs = 0
    while True:
        # The logs are removed before the commit, so that after an interruption between the two the run is found again.
        async with conn.transaction():
            gone = await conn.fetch(_SQL["clean_runs"], before, portion)
            task_logs += await asyncio.to_thread(remove_logs, logs, [(dag_id, date) for dag_id, date in gone])
        if not gone:
            return runs, task_logs
        runs += len(gone)


async def _in_portions(clean_portion: Callable[[], Awaitable[int]]) -> int:
    """Delete portions until nothing is left; return how many rows were deleted."""
    total = 0
    while count := await clean_portion():
        total += count
    return total
