"""A kill -9 of schedulers, tasks and Postgres at random moments."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from server.database.schema import initdb
from server.standalone.postgres import EmbeddedPostgres
from tests.chaos import storm
from tests.scheduling import START, bash, bench
from windsock.config import Dsn


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_storm(tmp_path: Path) -> None:
    """At the end every run is finished, and exactly those of schedules were made; no task ran or succeeded twice."""
    outcome = await storm(tmp_path, 45, seed=8)
    assert not outcome.problems
    assert outcome.killed.keys() == {"scheduler", "task", "postgres", "stopped"}
    assert outcome.runs["success"] > 3
    assert outcome.runs.keys() == {"success"}
    # What was missed before, and what was due every 2, 3, 5 and 7 seconds.
    assert outcome.scheduled == 91 + 23 + 16 + 10 + 7


@pytest.mark.slow
async def test_after_an_outage_others_may_be_as_late(tmp_path: Path) -> None:
    """A scheduler that had no answer itself gives the others time to say that they live, and their tasks go on."""
    (tmp_path / "cluster").mkdir()
    postgres = EmbeddedPostgres(tmp_path / "cluster")
    await postgres.start()
    try:
        await initdb(Dsn.parse(postgres.dsn))
        async with bench(postgres.dsn, tmp_path, scheduler_zombie_task_threshold="3") as b:
            await b.load({"d": {"tasks": {"t": bash("true")}}})
            job = await b.pool.fetchval(
                "INSERT INTO job (state, job_type, latest_heartbeat)"
                " VALUES ('running', 'SchedulerJob', now()) RETURNING id"
            )
            await b.trigger("d")
            await b.pool.execute(
                "INSERT INTO task_instance"
                " (task_id, dag_id, execution_date, state, job_id, pool, try_number, max_tries)"
                " VALUES ('t', 'd', $1, 'running', $2, 'default_pool', 1, 0)",
                START, job,
            )  # fmt: skip
            async with b.scheduler():
                await b.until("SELECT count(*) = 2 FROM job")
                await asyncio.sleep(0.5)
                assert postgres.pid is not None
                os.kill(postgres.pid, signal.SIGKILL)
                await asyncio.sleep(4)
                await postgres._restart()
                await asyncio.sleep(1.5)
                await b.pool.execute("UPDATE job SET latest_heartbeat = now() + interval '2 s' WHERE id = $1", job)
                await asyncio.sleep(3)
                assert await b.states("d") == {"t": "running"}
                await b.until_done(10)
            assert await b.states("d") == {"t": "failed"}
    finally:
        await postgres.stop()
