import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from server.standalone.dags.leader import LEADER_LOCK, Pace, keep_loading
from tests.acceptance.process import WINDSOCK
from tests.live import config_for
from tests.until import until

DAG = "{name}: {{tasks: {{t: {{operator: airflow.operators.bash.BashOperator, bash_command: echo it ran}}}}}}\n"
QUICK = Pace(poll=0.05, after_error=0.05, recheck=0.1)
LOADS = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND granted"


@pytest.fixture
async def conn(database: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect to an empty standalone database."""
    conn = await asyncpg.connect(database)
    yield conn
    await conn.close()


def folder_of(parent: Path, name: str) -> Path:
    """Make a folder with a file that defines the DAG `name`."""
    folder = parent / name
    folder.mkdir()
    (folder / "dag.yaml").write_text(DAG.format(name=name))
    return folder


async def becomes(conn: asyncpg.Connection, active: set[str]) -> None:
    """Wait until these DAGs are the active ones."""

    async def is_so() -> bool:
        return {row[0] for row in await conn.fetch("SELECT dag_id FROM dag WHERE is_active")} == active

    await until(is_so)


async def test_one_loads_and_the_next_takes_over(database: str, conn: asyncpg.Connection, tmp_path: Path) -> None:
    """Schedulers with folders that differ do not undo each other's work: the second waits until the first is gone."""
    loaders = {}
    for name in ("one", "two"):
        config = config_for(database, dags_folder=str(folder_of(tmp_path, name)))
        loaders[name] = asyncio.create_task(keep_loading(config, pace=QUICK))
        await becomes(conn, {"one"})
    await asyncio.sleep(2.5)
    await becomes(conn, {"one"})
    loaders["one"].cancel()
    await becomes(conn, {"two"})
    loaders["two"].cancel()
    await asyncio.gather(*loaders.values(), return_exceptions=True)


async def test_a_lost_lock_is_taken_again(database: str, conn: asyncpg.Connection, tmp_path: Path) -> None:
    """Whoever loses the connection that holds the lock stops loading, and waits for its turn like the others."""
    folder = folder_of(tmp_path, "one")
    loader = asyncio.create_task(keep_loading(config_for(database, dags_folder=str(folder)), pace=QUICK))
    await becomes(conn, {"one"})
    first = await conn.fetchval(LOADS, LEADER_LOCK)
    assert await conn.fetchval("SELECT pg_terminate_backend($1, 5000)", first)
    (folder / "more.yaml").write_text(DAG.format(name="more"))
    await becomes(conn, {"one", "more"})
    assert await conn.fetchval(LOADS, LEADER_LOCK) not in {None, first}
    loader.cancel()
    await asyncio.gather(loader, return_exceptions=True)


async def test_a_newer_schema_ends_nothing(database: str, conn: asyncpg.Connection, tmp_path: Path) -> None:
    """While the database is a newer release's the loader of the old one writes nothing; tasks go on beside it."""
    await conn.execute("INSERT INTO windsock_schema (version) SELECT max(version) + 1 FROM windsock_schema")
    config = config_for(database, dags_folder=str(folder_of(tmp_path, "one")))
    loader = asyncio.create_task(keep_loading(config, pace=QUICK))
    await asyncio.sleep(0.5)
    assert not loader.done()
    await becomes(conn, set())
    await conn.execute("DELETE FROM windsock_schema WHERE version = (SELECT max(version) FROM windsock_schema)")
    await becomes(conn, {"one"})
    loader.cancel()
    await asyncio.gather(loader, return_exceptions=True)


async def test_windsock_scheduler_loads_and_runs(database: str, conn: asyncpg.Connection, tmp_path: Path) -> None:
    """The command alone makes the DAGs of the folder known, runs what is triggered, and ends at SIGTERM."""
    folder = folder_of(tmp_path, "one")
    env = {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__SQL_ALCHEMY_CONN": database,
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    }
    process = await asyncio.create_subprocess_exec(
        WINDSOCK, "scheduler", env={**os.environ, **env}, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        await becomes(conn, {"one"})
        await conn.execute(
            "INSERT INTO dag_run (dag_id, run_id, execution_date, state, external_trigger, start_date)"
            " VALUES ('one', 'r', now(), 'running', true, now())"
        )
        await until(lambda: conn.fetchval("SELECT state = 'success' FROM dag_run"))
        process.send_signal(signal.SIGTERM)
        _, log = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, log
    assert b"this process loads the DAG files" in log
