"""`latest_runs` beside Airflow 3: the newest run of each DAG by run_after, however many runs there are."""

import json
from datetime import UTC, datetime
from typing import Any

import aiohttp
import asyncpg

from server.database import statements
from server.database.generations import AIRFLOW_3
from tests.airflow.schemas import add_runs, copy_dag
from tests.airflow.serving import Api, prepare
from tests.live import live_server

# One a minute, named after their number; most lack a date.
MANY_RUNS = """
INSERT INTO dag_run (dag_id, run_id, run_type, run_after, logical_date)
SELECT $1::text, extract(year FROM $2::timestamptz AT TIME ZONE 'UTC') || '_' || n, 'manual',
    $2 + n * interval '1 minute',
    CASE WHEN n % 3 = 0 THEN $2 - n * interval '1 minute' END
FROM generate_series(1, $3::int) AS n"""


async def test_latest_runs_are_the_newest_by_run_after(empty_database: str, role: str) -> None:
    """In 3.x: a run with a date hides no newer one without, nor the other way round, however long ago a DAG ran."""
    dsn = await prepare(empty_database, "3.3.2", role)
    # Later runs than those of `idle`, so many that these are not among the latest of all DAGs.
    await add_runs(empty_database)
    for dag_id in ("dated", "idle"):
        await copy_dag(empty_database, dag_id)
    conn = await asyncpg.connect(empty_database)
    insert = "INSERT INTO dag_run (dag_id, run_id, run_type, run_after, logical_date) VALUES ($1, $2, 'manual', $3, $4)"
    for dag_id, run_id, hour, day in (
        ("idle", "i0", 3, 1), ("idle", "i1", 2, 2), ("idle", "i2", 4, None), ("idle", "i3", 1, 3),
        ("dated", "d0", 9, None), ("dated", "d1", 10, 1), ("dated", "d2", 10, 2), ("dated", "d3", 8, 3),
    ):  # fmt: skip
        year = 2020 if dag_id == "idle" else 2024
        date = day and datetime(year, 1, day, tzinfo=UTC)
        await conn.execute(insert, dag_id, run_id, datetime(year, 1, 9, hour, tzinfo=UTC), date)
    await conn.close()
    async with live_server(dsn) as url, aiohttp.ClientSession() as session:
        _, latest = await Api(url, session).call("GET", "/latest_runs")
    assert [(item["dag_id"], item["dag_run_url"].rpartition("/")[2]) for item in latest["items"]] == [
        ("d", "run_5000"), ("dated", "d2"), ("idle", "i2"),
    ]  # fmt: skip


async def test_latest_runs_of_dags_that_ran_long_ago(empty_database: str, role: str) -> None:
    """In 3.x: exactly the newest, among many runs too; few rows are read where other DAGs did not run much since."""
    dsn = await prepare(empty_database, "3.3.2", role)
    for dag_id in ("busy", "paused"):
        await copy_dag(empty_database, dag_id)
    conn = await asyncpg.connect(empty_database)
    await conn.execute(MANY_RUNS, "paused", datetime(2020, 1, 1, tzinfo=UTC), 100_000)
    await conn.execute("UPDATE dag_run SET run_after = run_after + interval '1 year', run_id = 'newest' WHERE id = 777")
    await conn.execute(MANY_RUNS, "busy", datetime(2022, 1, 1, tzinfo=UTC), 6000)
    await conn.execute("VACUUM ANALYZE dag_run")
    async with live_server(dsn) as url, aiohttp.ClientSession() as session:
        for since in (0, 60_000):
            if since:
                await conn.execute(MANY_RUNS, "busy", datetime(2023, 1, 1, tzinfo=UTC), since)
            else:
                assert await _rows_read(conn) < 70_000
            _, latest = await Api(url, session).call("GET", "/latest_runs")
            runs = {item["dag_id"]: item["dag_run_url"].rpartition("/")[2] for item in latest["items"]}
            assert runs == {"busy": f"{'2023' if since else '2022'}_{since or 6000}", "paused": "newest"}
    await conn.close()


async def _rows_read(connection: asyncpg.Connection) -> int:
    """How many runs the statement has fetched, those aside of which an index tells all that it wants."""
    columns = {row[0] for row in await connection.fetch(statements.load("catalogue.sql")["columns"])}
    statement = statements.fit(statements.load(*AIRFLOW_3.files)["latest_runs"], columns)
    plan = json.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", "", "/runs/"))
    return _fetched(plan[0]["Plan"])


def _fetched(node: dict[str, Any]) -> int:
    own = node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0)
    reads = node.get("Relation Name") == "dag_run" and node["Node Type"] != "Index Only Scan"
    return (int(own) if reads else 0) + sum(_fetched(child) for child in node.get("Plans", ()))
