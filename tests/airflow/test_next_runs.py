"""The next runs of a schedule, beside the tables of each generation of Airflow."""

import json
from typing import Any

import pytest

from tests.acceptance.cli import on_database, windsock
from tests.airflow.schemas import generation_of, insert_runs
from tests.airflow.serving import prepare, served

RELEASES = ("1.10.15", "2.10.5", "3.3.2")
TIMETABLES = (
    "airflow.timetables.interval.CronDataIntervalTimetable",
    "airflow.timetables.trigger.MultipleCronTriggerTimetable",
)
PLANNED = """
UPDATE dag SET next_dagrun = '2024-03-02', next_dagrun_data_interval_start = '2024-03-02',
    next_dagrun_data_interval_end = '2024-03-03', next_dagrun_create_after = '2024-03-03'
"""


def scheduled(document: str, kind: str) -> str:
    """Return a serialized DAG with a daily schedule of that kind."""
    read: dict[str, Any] = json.loads(document)
    dag = read["dag"]
    dag |= {"start_date": 1.7e9, "catchup": True, "timezone": "UTC", "schedule_interval": "0 0 * * *"}
    if kind != TIMETABLES[0]:
        dag["timetable"] = {"__type": kind, "__var": {"expression": "0 0 * * *", "timezone": "UTC"}}
    return json.dumps(read)


def march(*days: int) -> list[str]:
    """Return these midnights."""
    return [f"2024-03-{day:02}T00:00:00+00:00" for day in days]


@pytest.mark.parametrize("release", RELEASES)
async def test_next_runs_beside_an_airflow(empty_database: str, release: str, role: str) -> None:
    """The one that Airflow has planned, and those after it; its own timetables alone are not computed."""
    dsn = await prepare(empty_database, release, role)
    async with served(dsn, empty_database) as (api, conn):

        async def ask(number: int, query: str = "") -> tuple[list[str], str | None]:
            status, found = await api.call("GET", f"/dags/d?next_runs={number}{query}")
            assert status == 200, found
            return [run["execution_date"] for run in found["next_runs"]], found["next_runs_note"]

        stored = str(await conn.fetchval("SELECT data FROM serialized_dag"))
        update = "UPDATE serialized_dag SET data = $1"
        await conn.execute(update, scheduled(stored, TIMETABLES[0]))
        if generation_of(release) == 1:
            assert await ask(2) == (["2023-11-15T00:00:00+00:00", "2023-11-16T00:00:00+00:00"], None)
            runs = [
                {"dag_id": "d", "run_id": "scheduled__1", "state": "success", "moment": "2024-03-01"},
                {"dag_id": "d", "run_id": "manual__1", "state": "success", "moment": "2024-03-05"},
            ]
            await insert_runs(conn, runs)
            await conn.execute("UPDATE dag_run SET external_trigger = true WHERE run_id = 'manual__1'")
        else:
            assert await ask(1) == ([], "The schedule has no further run")
            await conn.execute(PLANNED)
        assert await ask(3) == (march(2, 3, 4), None)
        assert await ask(9, "&execution_date_gte=2024-03-04&execution_date_lte=2024-03-05") == (march(4, 5), None)
        if generation_of(release) > 1:
            await conn.execute(update, scheduled(stored, TIMETABLES[1]))
            assert await ask(1) == (march(2), None)
            assert await ask(2) == (march(2), "Only Airflow itself knows the further runs of this schedule")
        done = await windsock("backfill", "-s", "2024-03-01", "d", **on_database(dsn))
        assert (done.code, done.out) == (1, "")
        assert "Airflow's, which makes backfills itself" in done.err
