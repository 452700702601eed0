"""Schedulers that are stopped (SIGSTOP), or make no progress: others go on, and everybody can see it."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from server.standalone.dags.leader import LEADER_LOCK
from server.standalone.scheduler.jobs import JOB_LOCK
from server.standalone.scheduler.store import CLAIM_LOCK
from tests.acceptance.process import WINDSOCK
from tests.scheduling import Bench, bash, bench

THRESHOLD = 6
# The machine may be busy: a process that starts takes its time.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
async def b(database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """Set up a bench."""
    async with bench(database, tmp_path) as made:
        yield made


@contextmanager
def _scheduler(b: Bench) -> Iterator["subprocess.Popen[bytes]"]:
    options = {
        "sql_alchemy_conn": b.dsn, "base_log_folder": str(b.log_folder), "dags_folder": str(b.dags_folder),
        "scheduler_heartbeat_sec": "0.5", "scheduler_zombie_task_threshold": str(THRESHOLD),
    }  # fmt: skip
    env = {f"AIRFLOW__WINDSOCK__{name.upper()}": value for name, value in options.items()}
    process = subprocess.Popen([WINDSOCK, "scheduler"], env={**os.environ, **env})
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait()


async def _stop_inside(b: Bench, process: "subprocess.Popen[bytes]", lock: int) -> None:
    """Stop the scheduler while one of its transactions has the lock: it waits for a row that is held meanwhile."""
    holder = await asyncpg.connect(b.dsn)
    try:
        await holder.execute("BEGIN; LOCK TABLE slot_pool IN ACCESS EXCLUSIVE MODE")
        await b.trigger("d", 1)
        holds = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND granted)"
        await b.until(holds, lock, patience=150)
        process.send_signal(signal.SIGSTOP)
        await holder.execute("ROLLBACK")
    finally:
        await holder.close()


async def test_a_scheduler_stopped_while_it_claims(b: Bench) -> None:
    """Postgres ends its transaction; another one starts tasks within seconds, and each task runs once."""
    runs = b.dags_folder / "runs"
    await b.load({"d": {"tasks": {"t": bash(f"echo {{{{ run_id }}}} >> {runs}")}}})
    with _scheduler(b) as first:
        await b.trigger("d", 0)
        await b.until("SELECT count(*) = 1 FROM dag_run WHERE state = 'success'", patience=150)
        await _stop_inside(b, first, CLAIM_LOCK)
        with _scheduler(b):
            await b.until("SELECT count(*) = 2 FROM dag_run WHERE state = 'success'", patience=150)
            await b.trigger("d", 2)
            await b.until("SELECT count(*) = 3 FROM dag_run WHERE state = 'success'", patience=150)
            first.send_signal(signal.SIGCONT)
            await b.trigger("d", 3)
            await b.until("SELECT count(*) = 4 FROM dag_run WHERE state = 'success'")
            await asyncio.sleep(2)
    assert sorted(runs.read_text().split()) == ["run_0", "run_1", "run_2", "run_3"]
    assert not await b.witnessed()


async def test_a_session_that_nobody_reads(b: Bench) -> None:
    """Postgres waits for a stopped process to read, while no time limit counts: a scheduler ends the session."""
    await b.load({"d": {"tasks": {"t": bash("true")}}})
    await b.trigger("d")
    stopped = await asyncpg.connect(b.dsn, server_settings={"application_name": "windsock"})
    await stopped.execute("BEGIN; SELECT FROM dag_run FOR UPDATE")
    large = "SELECT repeat('x', 1000) FROM generate_series(1, 100000)"
    reading = asyncio.create_task(stopped.copy_from_query(large, output=_never))
    await b.until("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'ClientWrite')")
    try:
        async with b.scheduler():
            await b.until_done()
    finally:
        stopped.terminate()
        reading.cancel()
        await asyncio.wait([reading])
    assert await b.run_state("d") == "success"


async def _never(_data: bytes) -> None:
    await asyncio.Event().wait()


async def test_a_session_that_has_prepared_a_statement(b: Bench) -> None:
    """Nor does any time limit apply to a process that is stopped before it runs a statement that it has prepared."""
    stopped = await asyncpg.connect(b.dsn, server_settings={"application_name": "windsock"})
    try:
        await stopped.execute("SET idle_session_timeout = '1s'; SELECT pg_advisory_lock($$4711$$)")
        await stopped.prepare("SELECT 1")
        with _scheduler(b):
            await b.until("SELECT NOT EXISTS (SELECT FROM pg_locks WHERE objid = 4711)", patience=150)
    finally:
        stopped.terminate()


async def test_tasks_of_a_stopped_scheduler(b: Bench) -> None:
    """After the threshold another one ends them and tries them again; when the first goes on it has lost them."""
    lock, twice = b.dags_folder / "lock", b.dags_folder / "twice"
    command = f"exec 9>>{lock}; flock -n 9 || touch {twice}; sleep 3600"
    await b.load({"d": {"tasks": {"t": bash(command, retries=1)}}})
    await b.trigger("d")
    running = (
        "SELECT EXISTS (SELECT FROM task_instance WHERE state = 'running' AND pid IS NOT NULL AND try_number = $1)"
    )
    with _scheduler(b) as first:
        await b.until(running, 1, patience=150)
        first.send_signal(signal.SIGSTOP)
        if await b.pool.fetchval("SELECT current_setting('server_version_num')::int >= 140000"):
            with _scheduler(b):
                await b.until(running, 2, patience=150)
                first.send_signal(signal.SIGCONT)
                await asyncio.sleep(4)
                assert await b.pool.fetchval(running, 2)
                held = "SELECT count(*) = 2 FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND granted"
                await b.until(held, JOB_LOCK)
    assert not twice.exists()
    assert "its scheduler died" in b.log("d", "t", 1)


async def test_a_scheduler_that_makes_no_progress(b: Bench, serve: Callable[..., Awaitable[str]]) -> None:
    """One that can write its heartbeat and nothing else is unhealthy; it is well again when it can."""
    url = await serve()

    async def health() -> str:
        async with aiohttp.ClientSession() as session, session.get(f"{url}/health") as answer:
            status: str = (await answer.json())["scheduler"]["status"]
            return status

    async def until(status: str) -> None:
        async with asyncio.timeout(150):
            while await health() != status:
                await asyncio.sleep(0.2)

    await b.load({"d": {"tasks": {"t": bash("true")}}})
    holder = await asyncpg.connect(b.dsn)
    with _scheduler(b):
        await until("healthy")
        await holder.execute("BEGIN; LOCK TABLE task_instance IN ACCESS EXCLUSIVE MODE")
        await until("unhealthy")
        await holder.execute("ROLLBACK")
        await until("healthy")
    await holder.close()


async def test_a_loader_that_is_stopped(b: Bench) -> None:
    """Another one loads the files within seconds; the first goes on when it may, and does not load beside it."""
    turns = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = $1 AND granted"
    with _scheduler(b) as first:
        await b.until(f"SELECT ({turns}) = 1", LEADER_LOCK, patience=150)
        first.send_signal(signal.SIGSTOP)
        with _scheduler(b):
            (b.dags_folder / "new.yaml").write_text(
                "new:\n  default_args: {start_date: 2020-01-01}\n"
                "  tasks:\n    - {task_id: a, operator: airflow.operators.bash.BashOperator, bash_command: 'true'}\n"
            )
            await b.until("SELECT EXISTS (SELECT FROM dag WHERE dag_id = 'new')", patience=150)
            first.send_signal(signal.SIGCONT)
            await asyncio.sleep(2)
            assert await b.pool.fetchval(turns, LEADER_LOCK) == 1


REFUSES = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'not this one' USING DETAIL = 'Failing row contains (a secret).'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON xcom FOR EACH ROW WHEN (new.task_id = 'bad') EXECUTE FUNCTION refuse();
"""


async def test_a_report_that_the_database_refuses(b: Bench) -> None:
    """Whatever the reason: that try fails, its log says why, and others that end at the same time are written."""
    await b.pool.execute(REFUSES)
    tasks = {"bad": bash("echo 1", retries=1), **{f"good{n}": bash("echo 1") for n in range(5)}}
    await b.load({"d": {"tasks": tasks}, "other": {"tasks": {"t": bash("true")}}})
    await b.trigger("d")
    async with b.scheduler():
        await b.until("SELECT state IN ('up_for_retry', 'failed') FROM task_instance WHERE task_id = 'bad'")
        await b.trigger("other")
        await b.until_done()
    assert await b.states("d") == {"bad": "failed", **{f"good{n}": "success" for n in range(5)}}
    assert await b.run_state("other") == "success"
    for number in (1, 2):
        assert "Failed: the database refuses its result: not this one" in b.log("d", "bad", number)
        assert "a secret" not in b.log("d", "bad", number)
    assert not await b.witnessed()


async def test_the_callback_of_a_dag_dies_with_its_scheduler(b: Bench) -> None:
    """If the scheduler is killed, the kernel kills the callback; the next scheduler does not call it again."""
    pids = b.dags_folder / "pids"
    note = f"    print(os.getpid(), file=open({str(pids)!r}, 'a'))\n"
    code = f"import os, time\n\ndef slow(context):\n{note}    time.sleep(600)\n"
    (b.dags_folder / "ws_slow.py").write_text(code)
    tasks = {"tasks": {"t": bash("true")}}
    await b.load({"d": {**tasks, "on_success_callback": "ws_slow.slow"}, "e": tasks})
    with _scheduler(b) as first:
        await b.trigger("d")
        async with asyncio.timeout(150):
            while not pids.exists() or not pids.read_text():
                await asyncio.sleep(0.05)
        first.kill()
        first.wait()
        callback = Path("/proc", pids.read_text().strip())
        async with asyncio.timeout(10):
            while callback.exists():
                await asyncio.sleep(0.05)
    with _scheduler(b):
        await b.trigger("e")
        await b.until("SELECT state = 'success' FROM dag_run WHERE dag_id = 'e'", patience=150)
    assert pids.read_text().count("\n") == 1
