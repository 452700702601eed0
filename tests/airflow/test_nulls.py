"""Columns that some Airflow, or somebody by hand, left NULL."""

import aiohttp
import asyncpg
import pytest

from tests.airflow.schemas import RELEASES, add_runs
from tests.airflow.serving import Api, prepare
from tests.live import live_server

NULLABLE = """
SELECT table_name, array_agg(column_name::text) AS columns FROM information_schema.columns AS c
WHERE table_schema = 'public' AND is_nullable = 'YES' AND is_generated = 'NEVER'
    AND table_name IN ('dag', 'dag_run', 'task_instance', 'slot_pool', 'job', 'dag_code', 'log_template')
    -- What finds the rows.
    AND column_name NOT IN ('dag_id', 'run_id', 'execution_date', 'logical_date', 'pool', 'dag_version_id')
GROUP BY table_name
"""
RUN = "/dags/d/dag_runs/2021-01-01T00:01:00"

PATHS = (
    "/dags/d", "/dags/d/grid", "/dags/d/dag_runs", "/dags/d/dag_runs?state=running", "/dags/d/tasks/t",
    f"{RUN}?details=true", f"{RUN}/tasks", f"{RUN}/tasks?limit=1", "/latest_runs", "/latest_runs?details=true",
    "/dags?details=true&order_by=last_run&search=d", "/dags?details=true&order_by=-next_dagrun",
    "/dags/d?next_runs=2",
    "/dag_tags", "/pools?details=true", "/dags/d/tasks?details=true", "/version", "/pools", "/unfinished_runs",
)  # fmt: skip


@pytest.mark.parametrize("release", RELEASES)
async def test_every_endpoint_answers_where_all_is_null(empty_database: str, release: str, role: str) -> None:
    """No column that may be NULL is needed for an answer, nor makes one a 500."""
    dsn = await prepare(empty_database, release, role)
    await add_runs(empty_database)
    conn = await asyncpg.connect(empty_database)
    for table, columns in await conn.fetch(NULLABLE):
        await conn.execute(f"UPDATE {table} SET {', '.join(f'{column} = NULL' for column in columns)}")
    await conn.close()
    async with live_server(dsn) as url, aiohttp.ClientSession() as session:
        api = Api(url, session)
        assert (await api.call("GET", RUN)) == (200, {"state": None})
        status, instance = await api.call("GET", f"{RUN}/tasks/t")
        assert (status, instance["state"], instance["start_date"]) == (200, "None", "None")
        for path in PATHS:
            assert (await api.call("GET", path))[0] == 200, path
        assert (await api.call("GET", "/dags/d/paused"))[0] == 200
        assert (await api.call("GET", "/pools/default_pool"))[0] == 200
        assert (await api.call("GET", f"{RUN}/tasks/t/logs"))[0] == 404
        assert (await api.call("GET", "/dags"))[0] == 200
        assert (await api.trigger(run_id="r1"))[0] == 200
        async with session.get(f"{url}/health") as health:
            assert (await health.json())["scheduler"]["status"] == "unhealthy"
        assert (await api.call("GET", "/dags/d/paused/true"))[0] == 200
        assert (await api.call("DELETE", "/dags/d"))[0] == 200
