"""Runs of DAGs in a git repository that changes while they run: all of their tasks are of the version they began with.

`make test-airflow` runs this, `make test` does not.
"""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from server.standalone.postgres import EmbeddedPostgres
from tests.airflow.conftest import Beside, create_database
from tests.airflow.real import HERE, RealAirflow, find_python, install, install_beside, until
from tests.airflow.releases import RELEASES
from tests.live import live_server

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

RELEASE = RELEASES["3.3.2"]
DAGS = """
import os, time
from datetime import datetime
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG

def first():
    while not os.path.exists(os.environ["WINDSOCK_TEST_GO"]):
        time.sleep(0.2)
    return "{text}"

def second(x):
    return "{text}"

for whose in ("ours", "theirs"):
    with DAG(f"ws_git_{{whose}}", start_date=datetime(2024, 1, 1), schedule=None, catchup=False) as dag:
        one = PythonOperator(task_id="first", python_callable=first)
        two = PythonOperator.partial(task_id="second", python_callable=second).expand(op_args=[[1], [2]])
        one >> two
        {more}
    globals()[dag.dag_id] = dag
"""
TASKS = """
SELECT ti.task_id, ti.map_index, ti.state, x.value #>> '{}' AS text
FROM task_instance AS ti LEFT JOIN xcom AS x USING (dag_id, run_id, task_id, map_index)
WHERE ti.dag_id = $1 AND ti.run_id = $2 ORDER BY 1, 2
"""


class Repository:
    """A git repository of one file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "dags").mkdir(parents=True)
        self._git("init", "--quiet", "--initial-branch", "main")

    def commit(self, text: str, more: str = "") -> str:
        """Change what the tasks answer, and the tasks; the commit."""
        (self._folder / "dags" / "dags.py").write_text(DAGS.format(text=text, more=more))
        self._git("add", ".")
        self._git("-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "--message", text)
        return self._git("rev-parse", "HEAD")

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self._folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()


@pytest.fixture
async def repository(tmp_path: Path) -> Repository:
    """Make an empty one."""
    return Repository(tmp_path / "repository")


@pytest.fixture
async def beside(repository: Repository, postgres: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[Beside]:
    """Start an Airflow whose DAGs are in the repository, and Windsock beside it."""
    python = find_python(RELEASE)
    assert python is not None
    await asyncio.to_thread(install, RELEASE, python)
    packages = await asyncio.to_thread(install_beside, RELEASE, "git-bundle")
    await create_database(postgres.dsn, "airflow_git")
    bundle = {
        "name": "ws_git",
        "classpath": "airflow.providers.git.bundles.git.GitDagBundle",
        "kwargs": {"repo_url": str(tmp_path / "repository"), "tracking_ref": "main", "subdir": "dags",
                   "refresh_interval": 1},
    }  # fmt: skip
    settings = {
        "PYTHONPATH": str(packages),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
        "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
    }
    (tmp_path / "home").mkdir()
    airflow = RealAirflow(RELEASE, tmp_path / "home", postgres.dsn_of("airflow_git"), HERE / "dags", **settings)
    repository.commit("one")
    await asyncio.to_thread(airflow.migrate)
    airflow.start()
    database = await asyncpg.connect(airflow.dsn)
    try:
        async with live_server(airflow.dsn) as url, aiohttp.ClientSession() as http:
            yield Beside(airflow, url, http, database)
    finally:
        await database.close()
        await asyncio.to_thread(airflow.stop)


async def _parsed(beside: Beside, commit: str) -> None:
    query = "SELECT count(*) = 2 FROM dag WHERE bundle_version = $1 AND NOT is_stale"
    await until(lambda: beside.database.fetchval(query, commit), f"{commit} is parsed", 150, beside.airflow)


async def _answers(beside: Beside, url: str) -> bool:
    try:
        async with beside.http.get(url) as answer:
            return answer.ok
    except aiohttp.ClientError:
        return False


async def _trigger_theirs(beside: Beside, run_id: str) -> None:
    api = f"http://127.0.0.1:{beside.airflow.env['AIRFLOW__API__PORT']}"
    await until(lambda: _answers(beside, f"{api}/auth/token"), "its API answers", 90, beside.airflow)
    async with beside.http.get(f"{api}/auth/token") as answer:
        headers = {"Authorization": f"Bearer {(await answer.json())['access_token']}"}
    body = {"dag_run_id": run_id, "logical_date": None}
    async with beside.http.post(f"{api}/api/v2/dags/ws_git_theirs/dagRuns", json=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()


async def _ended(beside: Beside, run_id: str) -> None:
    query = "SELECT count(*) = 2 FROM dag_run WHERE run_id = $1 AND state IN ('success', 'failed')"
    await until(lambda: beside.database.fetchval(query, run_id), f"{run_id} has ended", 150, beside.airflow)
    states = await beside.database.fetch("SELECT state FROM dag_run WHERE run_id = $1", run_id)
    assert [row[0] for row in states] == ["success", "success"]


async def test_a_run_has_one_version_of_its_code(beside: Beside, repository: Repository) -> None:
    """As when Airflow's own API made it: tasks of the old version to its end, of the new one in the next run."""
    query = "SELECT bundle_version FROM dag"
    await until(lambda: beside.database.fetchval(query), "the repository is parsed", 150, beside.airflow)
    old = await beside.database.fetchval(query)
    await _parsed(beside, old)
    await beside.trigger("ws_git_ours", run_id="one")
    assert beside.warning is None
    await _trigger_theirs(beside, "one")
    running = "SELECT count(*) = 2 FROM task_instance WHERE task_id = 'first' AND state = 'running'"
    await until(lambda: beside.database.fetchval(running), "the first tasks run", 180, beside.airflow)
    new = repository.commit("two", more='two >> PythonOperator(task_id="third", python_callable=second, op_args=[3])')
    await _parsed(beside, new)
    beside.airflow.go.touch()
    await _ended(beside, "one")
    await beside.trigger("ws_git_ours", run_id="two")
    await _trigger_theirs(beside, "two")
    await _ended(beside, "two")
    first = [("first", -1, "success", "one"), ("second", 0, "success", "one"), ("second", 1, "success", "one")]
    second = [(*row[:3], "two") for row in first] + [("third", -1, "success", "two")]
    for dag_id in ("ws_git_ours", "ws_git_theirs"):
        for run_id, commit, expected in (("one", old, first), ("two", new, second)):
            found = "SELECT bundle_version FROM dag_run WHERE dag_id = $1 AND run_id = $2"
            assert await beside.database.fetchval(found, dag_id, run_id) == commit
            rows = await beside.database.fetch(TASKS, dag_id, run_id)
            assert [tuple(row) for row in rows] == expected, (dag_id, run_id)
