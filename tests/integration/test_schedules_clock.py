"""Somebody sets the clock of the machine while a scheduler runs: no run is made twice, and none is missing.

The clock is that of the database: a function `now` in a schema before `pg_catalog` in the search path.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from tests.scheduling import Bench, bench, empty

CLOCK = """
CREATE SCHEMA clock;
CREATE TABLE clock.set_to (ahead interval NOT NULL);
INSERT INTO clock.set_to VALUES ('0');
CREATE FUNCTION clock.now() RETURNS timestamptz LANGUAGE sql STABLE
    AS 'SELECT pg_catalog.now() + ahead FROM clock.set_to';
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET search_path = public, clock, pg_catalog', current_database());
END $$;
"""
SET = "UPDATE clock.set_to SET ahead = $1::timestamptz - pg_catalog.now()"
STARTS = "SELECT execution_date FROM dag_run WHERE dag_id = $1 ORDER BY execution_date"
TRIGGER = "airflow.timetables.trigger.CronTriggerTimetable"
# Berlin's clocks go forward at 01:00 UTC.
CHANGE = datetime(2024, 3, 31, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def b(database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """Set up a bench in which the clock can be set."""
    conn = await asyncpg.connect(database)
    await conn.execute(CLOCK)
    await conn.close()
    async with bench(database, tmp_path) as made:
        yield made
        assert not await made.witnessed()


def scheduled(cron: object, **options: object) -> dict[str, object]:
    """Make a DAG of Berlin."""
    defaults = {"start_date": "2024-03-30 01:00", "timezone": "Europe/Berlin"}
    return {"schedule": cron, "default_args": defaults, "tasks": {"t": empty()}, "max_active_runs": 500, **options}


async def starts(b: Bench, dag_id: str) -> list[datetime]:
    """Return the dates of a DAG's runs."""
    return [row[0] for row in await b.pool.fetch(STARTS, dag_id)]


async def test_the_clock_is_set(b: Bench) -> None:
    """Over the change of Berlin's clocks, back by an hour, over the change again, and forward by a day."""
    await b.load({
        "all": scheduled("0 * * * *", catchup=True),
        "last": scheduled("0 * * * *", catchup=False),
        "daily": scheduled("30 2 * * *", catchup=True),
        "at_ticks": scheduled({"__type__": TRIGGER, "cron": "0 * * * *", "timezone": "UTC"}, catchup=False),
    })  # fmt: skip
    hours = [CHANGE - 25 * HOUR + n * HOUR for n in range(60)]
    await b.pool.execute(SET, CHANGE - timedelta(seconds=2))
    async with b.scheduler():
        await b.until("SELECT count(*) = 25 FROM dag_run WHERE dag_id = 'all'")
        await b.until("SELECT count(*) = 2 FROM dag_run WHERE dag_id = 'last'")
        for moment in (CHANGE - HOUR, CHANGE - timedelta(seconds=1)):
            await b.pool.execute(SET, moment)
            await asyncio.sleep(1.5)
            assert await starts(b, "all") == hours[:25]
        await b.pool.execute(SET, CHANGE + HOUR)
        await b.until("SELECT count(*) = 26 FROM dag_run WHERE dag_id = 'all'")
        await b.until("SELECT count(*) = 1 FROM dag_run WHERE dag_id = 'daily'")
        await b.pool.execute(SET, CHANGE + HOUR + DAY)
        await b.until("SELECT count(*) = 50 FROM dag_run WHERE dag_id = 'all'")
        await b.until("SELECT count(*) = 4 FROM dag_run WHERE dag_id = 'last'")
        await b.until("SELECT count(*) = 4 FROM dag_run WHERE dag_id = 'at_ticks'")
        await b.until_done()
    assert await starts(b, "all") == hours[:50]
    assert await starts(b, "last") == [CHANGE - 2 * HOUR, CHANGE - HOUR, CHANGE, CHANGE + DAY]
    assert await starts(b, "at_ticks") == [CHANGE - HOUR, CHANGE, CHANGE + HOUR, CHANGE + HOUR + DAY]
    half = timedelta(minutes=30)
    assert await starts(b, "daily") == [CHANGE - DAY + half, CHANGE + half]
