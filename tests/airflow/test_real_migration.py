"""Real Airflows migrate their database underneath a service of two workers, release by release and back, under load."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from server.standalone.postgres import EmbeddedPostgres
from tests.acceptance.service import Service
from tests.airflow.conftest import create_database
from tests.airflow.load import Load, loaded, lost, until_served
from tests.airflow.real import RealAirflow, find_python, install, until
from tests.airflow.releases import RELEASES, UPGRADES
from tests.airflow.serving import GRANTS

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]

DAG = """
from datetime import datetime
from airflow import DAG
try:
    from airflow.providers.standard.operators.empty import EmptyOperator
except ImportError:
    from airflow.operators.empty import EmptyOperator

with DAG("d", schedule=None, start_date=datetime(2020, 1, 1)):
    EmptyOperator(task_id="t")
"""


class Upgraded:
    """A database that one Airflow after the other has to do with."""

    def __init__(self, dsn: str, role: str, folder: Path) -> None:
        self.dsn = dsn
        self._role = role
        self._folder = folder
        self._dags = folder / "dags"
        self._dags.mkdir()
        (self._dags / "d.py").write_text(DAG, "utf-8")

    def airflow(self, release: str) -> RealAirflow:
        """Install the release."""
        python = find_python(RELEASES[release])
        if python is None:
            pytest.skip(f"Airflow {release} needs Python {' or '.join(RELEASES[release].pythons)}")
        install(RELEASES[release], python)
        home = self._folder / release
        home.mkdir(exist_ok=True)
        return RealAirflow(RELEASES[release], home, self.dsn, self._dags)

    async def finish(self, airflow: RealAirflow) -> None:
        """Do what an operator does after the migration: the grants, and the DAGs are parsed anew."""
        connection = await asyncpg.connect(self.dsn)
        await connection.execute(f"SET windsock.role = '{self._role}'; {GRANTS.read_text('utf-8')}")
        # No scheduler runs here: `/health` wants one that has been heard of.
        await connection.execute(
            "DELETE FROM job; INSERT INTO job (job_type, state, latest_heartbeat)"
            " VALUES ('SchedulerJob', 'running', now() + interval '1 hour')"
        )
        await connection.close()
        await asyncio.to_thread(airflow.run, "airflow", "dags", "reserialize")


async def check(upgraded: Upgraded, load: Load, newest: int) -> None:
    """Everything that was answered is there, and what came after run `newest` has what its schema wants."""
    connection = await asyncpg.connect(upgraded.dsn)
    try:
        assert await lost(connection, load.stored) == set()
        rows = await connection.fetch("SELECT to_jsonb(dag_run) AS run FROM dag_run WHERE id > $1", newest)
        assert rows
        for column in ("created_at", "updated_at", "run_after", "log_template_id", "queued_at"):
            assert [row for row in rows if f'"{column}": null' in row["run"]] == []
    finally:
        await connection.close()


async def is_ready(service: Service) -> bool:
    return await asyncio.to_thread(service.admin, "/ready") == (200, {"status": "ready"})


async def newest_run(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        newest: int = await connection.fetchval("SELECT coalesce(max(id), 0) FROM dag_run")
        return newest
    finally:
        await connection.close()


async def test_real_migrations_up_and_down(postgres: EmbeddedPostgres, role: str, tmp_path: Path) -> None:
    """No answer but successes and 503, nothing lost, every row whole, and the service goes on by itself each time."""
    await create_database(postgres.dsn, "airflow_upgraded")
    upgraded = Upgraded(postgres.dsn_of("airflow_upgraded"), role, tmp_path)
    first, *others = map(upgraded.airflow, UPGRADES)
    await asyncio.to_thread(first.migrate)
    await upgraded.finish(first)
    steps = [(airflow, ["migrate"]) for airflow in others]
    steps.append((others[-1], ["downgrade", "--to-version", UPGRADES[-2], "--yes"]))
    with Service(upgraded.dsn.replace("//windsock@", f"//{role}@"), tmp_path, workers="2") as service:
        async with loaded(f"http://127.0.0.1:{service.port}", pause=0.05) as load:
            await until_served(load)
            for airflow, command in steps:
                refused = load.statuses[503]
                await asyncio.to_thread(airflow.run, "airflow", "db", *command)
                newest = await newest_run(upgraded.dsn)
                at_end = others[-2] if command[0] == "downgrade" else airflow
                await upgraded.finish(at_end)
                await until_served(load)
                await until(lambda: is_ready(service), "the other worker serves, too")
                assert load.statuses[503] > refused
                await check(upgraded, load, newest)
        assert "Traceback" not in service.log
