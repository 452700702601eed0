"""One YAML file, run by Windsock's scheduler and, through dag-factory 1.1.0, by a real Airflow 2.11.2: the same ends.

`make test-airflow` runs this, `make test` does not.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import aiohttp
import asyncpg
import pytest
import yaml

from server.standalone.dags.loader import DagLoader
from server.standalone.postgres import EmbeddedPostgres
from tests.airflow.conftest import create_database
from tests.airflow.dags_of_both import dags_of_both, seconds
from tests.airflow.real import RealAirflow, find_python, install, install_beside, until
from tests.airflow.releases import RELEASES
from tests.live import live_server
from tests.scheduling import START, Bench, bench

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

RELEASE = RELEASES["2.11.2"]
LOAD = """
from airflow import DAG
from dagfactory import load_yaml_dags
load_yaml_dags(globals_dict=globals(), config_filepath={path!r})
"""
UNENDED = {"bad_past": 1, "too_large": 1}
POOL = "INSERT INTO slot_pool (pool, slots, description) VALUES ('narrow', 2, '')"
POOL_2 = "INSERT INTO slot_pool (pool, slots, description, include_deferred) VALUES ('narrow', 2, '', false)"
STATES = """
SELECT r.dag_id || ' ' || r.execution_date::date AS run, '' AS task_id, r.state FROM dag_run AS r
UNION ALL
SELECT r.dag_id || ' ' || r.execution_date::date, ti.task_id, ti.state
FROM dag_run AS r JOIN task_instance AS ti ON ti.dag_id = r.dag_id AND {same_run}
"""


class Side(NamedTuple):
    """One of the two: its database, its address, and how its task instances are found."""

    pool: "asyncpg.Pool[asyncpg.Record]"
    url: str
    same_run: str

    async def states(self) -> dict[tuple[str, str], str | None]:
        """States by run and task; '' is the run itself."""
        rows = await self.pool.fetch(STATES.format(same_run=self.same_run))
        return {(row["run"], row["task_id"]): row["state"] for row in rows}

    async def ended(self, airflow: RealAirflow, what: str) -> None:
        """Wait for the end of all runs that end."""
        left = "SELECT count(*) = $1 FROM dag_run WHERE state IN ('queued', 'running')"
        await until(lambda: self.pool.fetchval(left, sum(UNENDED.values())), what, 240, airflow)


@pytest.fixture
async def airflow(postgres: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[RealAirflow]:
    """Start an Airflow that makes its DAGs of the YAML file."""
    python = find_python(RELEASE)
    if python is None:
        pytest.skip(f"Airflow {RELEASE.version} needs Python {' or '.join(RELEASE.pythons)}")
    install(RELEASE, python)
    beside = install_beside(RELEASE, "dag-factory")
    dags = tmp_path / "dags"
    dags.mkdir()
    bodies = {
        dag_id: {"schedule": "None", "default_args": {"start_date": "2020-01-01", "retry_delay": seconds(1)}, **body}
        for dag_id, (body, _) in dags_of_both(tmp_path).items()
    }
    (dags / "dags.yaml").write_text(yaml.safe_dump(bodies, sort_keys=False))
    (dags / "load.py").write_text(LOAD.format(path=str(dags / "dags.yaml")))
    await create_database(postgres.dsn, "airflow_twin")
    home = tmp_path / "airflow"
    home.mkdir()
    made = RealAirflow(RELEASE, home, postgres.dsn_of("airflow_twin"), dags, PYTHONPATH=str(beside), DO_NOT_TRACK="1")
    made.migrate()
    made.start()
    yield made
    made.stop()


@pytest.fixture
async def sides(airflow: RealAirflow, database: str, tmp_path: Path) -> AsyncIterator[tuple[Bench, Side, Side]]:
    """Load the same file into a standalone Windsock; serve both databases."""
    async with AsyncExitStack() as stack:
        folder = tmp_path / "windsock"
        folder.mkdir()
        b = await stack.enter_async_context(bench(database, folder))
        async with DagLoader(b.pool, tmp_path / "dags", paused_at_creation=False, settle=0) as loader:
            report = await loader.load_once()
        assert not report.errors, report.errors
        await b.pool.execute(POOL)
        theirs = await stack.enter_async_context(asyncpg.create_pool(airflow.dsn, min_size=1, max_size=2))
        await theirs.execute(POOL_2)
        yield (
            b,
            Side(
                b.pool, await stack.enter_async_context(live_server(database)), "ti.execution_date = r.execution_date"
            ),
            Side(theirs, await stack.enter_async_context(live_server(airflow.dsn)), "ti.run_id = r.run_id"),
        )


async def _trigger(side: Side, dag_id: str, n: int) -> None:
    date = START.replace(day=1 + n).isoformat()
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{side.url}/api/experimental/dags/{dag_id}/dag_runs", json={"execution_date": date}) as answer,
    ):
        assert answer.status == 200, await answer.text()


async def _calls(folder: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Return the calls of callbacks on both sides, in an order of their own; nothing else waits for these calls."""
    for _ in range(60):
        await asyncio.sleep(1)
        texts = [(folder / f"calls_{side}").read_text() for side in ("windsock", "airflow")]
        mine, other = (sorted(json.loads(line) for line in text.splitlines()) for text in texts)
        if mine == other:
            break
    return mine, other


async def test_both_come_to_the_same_end(airflow: RealAirflow, sides: tuple[Bench, Side, Side], tmp_path: Path) -> None:
    """Every run and every task of it: trigger rules, tries, skips, timeouts, pools, the run before, callbacks."""
    b, ours, theirs = sides
    dags = dags_of_both(tmp_path)
    parsed = "SELECT count(*) = $1 FROM serialized_dag JOIN dag USING (dag_id)"
    await until(lambda: theirs.pool.fetchval(parsed, len(dags)), "DAGs are parsed", 120, airflow)
    async with b.scheduler():
        for dag_id, (_, runs) in dags.items():
            for n in range(runs):
                await _trigger(ours, dag_id, n)
                await _trigger(theirs, dag_id, n)
        await ours.ended(airflow, "Windsock's runs have ended")
        await theirs.ended(airflow, "Airflow's runs have ended")
        mine_called, other_called = await _calls(tmp_path)
        mine, other = await ours.states(), await theirs.states()
    assert mine_called == other_called
    assert {call[3] for call in mine_called} > {"success", "task_failure", "timed_out"}
    assert len(mine) > 200
    assert {key: (state, other.get(key)) for key, state in mine.items() if other.get(key) != state} == {}
    assert mine.keys() == other.keys()
    assert not await b.witnessed()
