"""A kill -9 of schedulers, tasks and Postgres at random moments."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from server.config import Dsn
from server.embedded import EmbeddedPostgres
from server.metadata.schema import initdb
from tests.chaos import storm
from tests.scheduling import bash, bench


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_storm(tmp_path: Path) -> None:
    """At the end every run is finished; no task ran or succeeded twice; no pool was over its slots."""
    outcome = await storm(tmp_path, 20, seed=8)
    assert not outcome.problems
    assert outcome.killed.keys() == {"scheduler", "task", "postgres"}
    assert outcome.runs["success"] > 3
    assert outcome.runs.keys() == {"success"}


@pytest.mark.slow
async def test_an_outage_kills_no_task(tmp_path: Path) -> None:
    """Two schedulers that Postgres left without an answer for long do not take each other for dead."""
    (tmp_path / "cluster").mkdir()
    postgres = EmbeddedPostgres(tmp_path / "cluster")
    await postgres.start()
    try:
        await initdb(Dsn.parse(postgres.dsn))
        async with bench(postgres.dsn, tmp_path) as b:
            await b.load({"d": {"tasks": {f"t{n}": bash("sleep 14") for n in range(6)}, "concurrency": 6}})
            async with b.scheduler(), b.scheduler():
                await b.trigger("d")
                await b.until("SELECT count(*) = 6 FROM task_instance WHERE state = 'running'")
                for _ in range(3):
                    assert postgres.pid is not None
                    os.kill(postgres.pid, signal.SIGKILL)
                    await asyncio.sleep(2.5)
                    await postgres._restart()
                    await asyncio.sleep(0.5)
                await b.until_done(30)
            assert set((await b.states("d")).values()) == {"success"}
    finally:
        await postgres.stop()
