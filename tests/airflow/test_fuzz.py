"""Whatever is triggered, the scheduler beside Windsock lives on and calls no run a success without its tasks."""

import asyncio
import os
from typing import Any

import pytest

from tests.airflow.conftest import Beside
from tests.airflow.fuzz import bodies, plain_confs
from tests.airflow.real import until

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(400)]

# Another seed makes other triggers: WINDSOCK_FUZZ_SEED=7 make test-airflow ARGS='-k fuzz'
SEED = int(os.environ.get("WINDSOCK_FUZZ_SEED", "1"))
# How many triggers of which DAGs. 1.10 needs some seconds for each run; all odd ones are about a hundred.
_MANY = {"ws_fuzz": 60, "ws_fuzz_free": 130, "ws_fuzz_daily": 130, "ws_times_new_york_six_hours_ours": 100}
FUZZED = {1: {"ws_fuzz": 110}, 2: _MANY, 3: _MANY}


async def _post(beside: Beside, dag_id: str, body: str) -> tuple[int, Any]:
    url = f"{beside.url}/api/experimental/dags/{dag_id}/dag_runs"
    async with beside.http.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
        return answer.status, await answer.json(content_type=None)


async def _check_heart(beside: Beside) -> None:
    before = await beside.database.fetchval("SELECT max(latest_heartbeat) FROM job WHERE job_type = 'SchedulerJob'")

    async def beats() -> bool:
        query = "SELECT max(latest_heartbeat) > $1 FROM job WHERE job_type = 'SchedulerJob'"
        return bool(await beside.database.fetchval(query, before))

    await until(beats, "a heartbeat", 60, beside.airflow)
    beside.airflow.check_alive()


async def _without_tasks(beside: Beside) -> list[Any]:
    """Runs of the fuzz that ended although no task of theirs did."""
    link = "execution_date" if beside.generation == 1 else "run_id"
    # Before the tasks' start_date Airflow 1.10 itself takes a trigger and runs nothing, which is in the contract.
    since = "AND dag_run.execution_date >= '2024-01-01+00'" if beside.generation == 1 else ""
    rows: list[Any] = await beside.database.fetch(f"""
        SELECT dag_id, run_id, state, {beside.date}::text FROM dag_run
        WHERE dag_id LIKE 'ws\\_fuzz%' AND state IN ('success', 'failed') {since}
            AND NOT EXISTS (SELECT FROM task_instance AS ti WHERE ti.dag_id = dag_run.dag_id
                AND ti.{link} = dag_run.{link} AND ti.state IN ('success', 'failed'))""")
    return rows


async def test_no_conf_run_id_or_date_harms_the_scheduler(beside: Beside) -> None:
    """Assorted triggers: the scheduler lives on, and no run of them has ended without its task."""
    statuses = [
        await _post(beside, dag_id, body)
        for dag_id, count in FUZZED[beside.generation].items()
        for body in bodies(count, SEED)
    ]
    assert {status for status, _ in statuses} <= {200, 400}, [each for each in statuses if each[0] not in {200, 400}]
    assert sum(status == 200 for status, _ in statuses) > len(statuses) / 3
    waiting = f"""
        SELECT count(*) FROM dag_run WHERE dag_id LIKE 'ws\\_fuzz%' AND state IN ('queued', 'running')
            AND {beside.date} <= now() AND {"run_id !~ '^backfill.'" if beside.generation == 1 else "true"}"""

    async def is_done() -> bool:
        return not await beside.database.fetchval(waiting)

    await until(is_done, "all runs end", 200, beside.airflow)
    assert not await _without_tasks(beside)
    await _check_heart(beside)


async def test_every_conf_reaches_its_task(beside: Beside) -> None:
    """What a task sees is what was sent, whatever it is made of."""
    confs = plain_confs(4 if beside.generation == 1 else 12, SEED)
    made = [
        await beside.trigger("ws_fuzz_echo", conf=conf, execution_date=f"2024-05-{n + 1:02}")
        for n, conf in enumerate(confs)
    ]
    await asyncio.gather(*(beside.finished("ws_fuzz_echo", run["execution_date"]) for run in made))
    assert [await beside.echoed("ws_fuzz_echo", run) for run in made] == confs
