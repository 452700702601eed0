"""Runs whose rows others wrote: whatever a column holds, steering is done or refused, and other runs stay."""

import random

import asyncpg
import pytest

from server.database.metadata import open_metadata
from server.database.steering import Steering
from server.errors import WindsockError
from server.wire import Clear, RunId
from tests.airflow.schemas import add_dag, add_runs, make_schema
from tests.hostile import VALUES
from windsock.config import load_config

COLUMNS = """
SELECT table_name, column_name, udt_name FROM information_schema.columns
WHERE table_schema = 'public' AND is_generated = 'NEVER' AND table_name IN ('dag_run', 'task_instance')
    -- What finds the rows, and what other tables refer to.
    AND column_name NOT IN ('dag_id', 'id', 'run_id', 'execution_date', 'logical_date', 'task_id', 'dag_version_id')
ORDER BY 1, 2
"""


async def _steer(steering: Steering, run: RunId, draw: random.Random) -> None:
    way = draw.randrange(4)
    if way == 0:
        await steering.set_run_state("d", run, draw.choice(["failed", "success"]))
    elif way == 1:
        await steering.clear("d", run, Clear(only_failed=False))
    elif way == 2:
        await steering.set_instance_state("d", run, "t", None, draw.choice(["failed", "success"]))
    else:
        await steering.delete_run("d", run)


@pytest.mark.parametrize("release", ["1.10.15", "2.10.5", "3.0.6", "3.3.2"])
async def test_odd_rows_are_steered_or_refused(empty_database: str, release: str) -> None:
    """Each column that holds text, a number, a date, JSON or bytes gets odd values of its type, and NULL."""
    await make_schema(empty_database, release)
    await add_dag(empty_database, release)
    await add_runs(empty_database)
    draw = random.Random(release)  # noqa: S311 - a test that can be repeated
    conn = await asyncpg.connect(empty_database)
    link = "execution_date" if release.startswith("1.") else "run_id"
    number = 0
    try:
        before = await _others(conn, link)
        async with open_metadata(load_config({}, overrides={"dsn": empty_database})) as metadata:
            for table, column, kind in await conn.fetch(COLUMNS):
                odd = VALUES.get(kind, ())
                for value in (None, *draw.sample(odd, min(len(odd), 3))):
                    number += 1
                    key = await conn.fetchval(f"SELECT {link} FROM dag_run WHERE run_id = $1", f"run_{number}")
                    cast = f"$2::text::{kind}" if not isinstance(value, bytes) else "$2::bytea"
                    given = value if value is None or isinstance(value, bytes) else str(value)
                    update = f"UPDATE {table} SET {column} = {cast} WHERE {link} = $1"
                    try:
                        await conn.execute(update, key, given)
                    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError):
                        continue
                    await _try(metadata.steering, RunId(f"run_{number}"), draw, (table, column, value))
        assert 45 < number < 4900
        assert await _others(conn, link) == before
    finally:
        await conn.close()


async def _try(steering: Steering, run: RunId, draw: random.Random, what: object) -> None:
    refused = None
    try:
        await _steer(steering, run, draw)
    except WindsockError as error:
        refused = error
    assert refused is None or refused.status < 500 or refused.status == 501, (what, refused)


async def _others(conn: asyncpg.Connection, link: str) -> list[object]:
    """Return what there is of runs that nobody steers."""
    found: list[object] = []
    for table in ("dag_run", "task_instance"):
        row = await conn.fetchrow(
            f"SELECT count(*), sum(hashtext(t::text)) FROM {table} AS t"
            f" WHERE t.{link} IN (SELECT {link} FROM dag_run WHERE run_id LIKE 'run\\_49__')"
        )
        assert row is not None
        assert row[0] == 100
        found.append(tuple(row))
    return found
