"""Tasks that really run end once their run is stopped, and run again once they are cleared.

`make test-airflow` runs this, `make test` does not.
"""

from pathlib import Path

import pytest

from server.database.metadata import open_metadata
from server.wire import Clear, RunId
from tests.airflow.conftest import Beside
from tests.airflow.real import until
from windsock.config import load_config

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(400)]

DAG_ID = "ws_slow"
STATES = """
SELECT r.state || ': ' || (
    SELECT string_agg(ti.task_id || ' ' || coalesce(ti.state, 'none'), ', ' ORDER BY ti.task_id)
    FROM task_instance AS ti
    WHERE ti.dag_id = r.dag_id AND ti.{link} = r.{link}
) FROM dag_run AS r WHERE r.dag_id = 'ws_slow' AND r.run_id = $1
"""


async def test_a_task_that_runs_is_ended_and_repeated(beside: Beside) -> None:
    """Stopped, its process ends; cleared, it begins again; cleared while it runs, a new process follows the old one."""
    run_id = "slow_run"
    noted = Path(f"{beside.airflow.go}.{run_id}")
    query = STATES.format(link="execution_date" if beside.generation == 1 else "run_id")
    await beside.trigger(DAG_ID, run_id=run_id)

    def process() -> str | None:
        number = noted.read_text().strip() if noted.exists() else ""
        return number if number and Path(f"/proc/{number}").exists() else None

    async def runs_anew() -> bool:
        return process() not in {None, old} and "sleeps running" in await beside.database.fetchval(query, run_id)

    async def has_ended() -> bool:
        return process() is None

    old: str | None = None
    await until(runs_anew, "the task runs", 120, beside.airflow)
    async with open_metadata(load_config({}, overrides={"dsn": beside.airflow.dsn})) as metadata:
        await metadata.steering.set_run_state(DAG_ID, RunId(run_id), "failed")
        await until(has_ended, "the process ends", 120, beside.airflow)
        after = "after none" if beside.generation == 1 else "after skipped"
        assert await beside.database.fetchval(query, run_id) == f"failed: {after}, sleeps failed"

        await metadata.steering.clear(DAG_ID, RunId(run_id), Clear(only_failed=False))
        await until(runs_anew, "the task runs again", 120, beside.airflow)
        old = process()
        await metadata.steering.clear(DAG_ID, RunId(run_id), Clear(only_failed=False, task_ids=["sleeps"]))
        await until(runs_anew, "the task runs anew", 180, beside.airflow)
        assert old is not None
        assert not Path(f"/proc/{old}").exists()
        await metadata.steering.set_run_state(DAG_ID, RunId(run_id), "failed")
        await until(has_ended, "the last process ends", 120, beside.airflow)
