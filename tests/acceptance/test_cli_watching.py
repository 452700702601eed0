"""What people see of runs that are under way, and of one that failed."""

import asyncio
import contextlib
import os
import pty
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest
from aiohttp import web

from tests.acceptance.cli import WINDSOCK, fill, on_database, over_http, windsock
from tests.until import until

pytestmark = pytest.mark.usefixtures("interruptible")

PATIENCE = 30
LOG = "the first line\n" + "x" * 5000 + "\n" + "".join(f"line {n}\n" for n in range(20)) + "\x1b[31mred\x07 é \udcff\n"
FAILED = """
INSERT INTO task_instance (dag_id, task_id, execution_date, state, pool, pool_slots, try_number)
SELECT 'ref_setup', task_id, '2024-05-06', state, 'default_pool', 1, 1
FROM (VALUES ('echo_conf', 'failed'), ('silent', 'failed'), ('after', 'upstream_failed')) AS t (task_id, state)
"""
NEW = "INSERT INTO dag_run (dag_id, run_id, execution_date, state) VALUES ('ref_setup', 'new', '2024-01-01', 'queued')"


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    """Fill the database with DAGs and runs."""
    await fill(database)
    made = await asyncpg.connect(database)
    yield made
    await made.close()


async def fail_when_there(connection: asyncpg.Connection, run_id: str) -> None:
    """Let a run fail as soon as it was made."""
    await connection.execute(FAILED)
    update = "UPDATE dag_run SET state = 'failed' WHERE run_id = $1"
    async with asyncio.timeout(PATIENCE):
        while await connection.execute(update, run_id) == "UPDATE 0":
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("over", ["http", "database"])
async def test_a_failed_run_ends_with_its_failed_tasks(
    database: str, connection: asyncpg.Connection, serve: Callable[..., Awaitable[str]], tmp_path: Path, over: str
) -> None:
    """The last lines of each log, which cannot control the terminal; a log that is missing says so; the exit is 1."""
    folder = tmp_path / "ref_setup" / "echo_conf" / "2024-05-06T00:00:00+00:00"
    folder.mkdir(parents=True)
    (folder / "1.log").write_bytes(LOG.encode(errors="surrogateescape"))
    client = over_http(await serve(base_log_folder=tmp_path)) if over == "http" else on_database(database)
    waiting = asyncio.create_task(
        windsock(
            "trigger_dag",
            "--wait",
            "-r",
            "w",
            "-e",
            "2024-05-06",
            "ref_setup",
            **client,
            AIRFLOW__LOGGING__BASE_LOG_FOLDER=str(tmp_path),
        )
    )
    await fail_when_there(connection, "w")
    done = await waiting
    assert done.code == 1
    assert done.out.startswith("Created <DagRun ref_setup @ 2024-05-06")
    said = done.err.split("\n")
    begin = said.index("Task echo_conf failed:")
    shown = [*(f"  line {n}" for n in range(11, 20)), r"  \x1b[31mred\x07 é " + "\ufffd"]
    assert said[begin + 1 : begin + 11] == shown
    assert said[begin + 11] == "Task silent failed:"
    assert said[begin + 12].startswith("  its log cannot be shown: ")
    assert said[begin + 13 :] == ["Error: w: failed", ""]


async def test_a_server_that_cannot_tell_why() -> None:
    """An older server has no list of task instances: the run has failed all the same, and nothing more is said."""
    made = {"execution_date": "2024-05-06T00:00:00+00:00", "message": "Created <DagRun d>", "run_id": "w"}
    app = web.Application()
    prefix = "/api/experimental/dags/d/dag_runs"
    app.router.add_post(prefix, _answering(made))
    app.router.add_get(f"{prefix}/{made['execution_date']}", _answering({"state": "failed"}))
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        done = await windsock("trigger_dag", "--wait", "d", **over_http(url))
        assert (done.code, done.err) == (1, "Error: w: failed\n")
        for command in (["runs", "--once"], ["dag_details", "d"], ["states_for_dag_run", "d", "2024-05-06"]):
            done = await windsock(*command, **over_http(url))
            assert done.code != 0
            assert re.fullmatch(
                r"Error: the server at \S+ cannot do this: it is an older Windsock, or Airflow itself\n", done.err
            )
    finally:
        await runner.cleanup()


def _answering(value: object) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(value)

    return answer


async def test_runs_as_lines(connection: asyncpg.Connection, serve: Callable[..., Awaitable[str]]) -> None:
    """A line for each run, for each new one, for each end; Ctrl-C ends it and nothing is said."""
    process = await asyncio.create_subprocess_exec(
        WINDSOCK, "runs", "--interval", "0.5", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **over_http(await serve())},
    )  # fmt: skip
    out, err = process.stdout, process.stderr
    assert out is not None
    assert err is not None

    async def line_with(*words: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while line := (await out.readline()).decode():
                if line.split()[1:] == list(words):
                    return
        raise AssertionError(words)

    await line_with("ref_setup", "setup_running", "running")
    await connection.execute(NEW)
    await line_with("ref_setup", "new", "queued")
    await connection.execute("UPDATE dag_run SET state = 'success' WHERE run_id = 'new'")
    await line_with("ref_setup", "new", "success")
    await connection.execute("DELETE FROM dag_run WHERE run_id = 'setup_running'")
    await line_with("ref_setup", "setup_running", "deleted")
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(PATIENCE):
        assert (await process.wait(), await err.read()) == (0, b"")


async def test_runs_has_a_format_only_once() -> None:
    """It does not take `-o` and then go on for ever in another format."""
    done = await asyncio.wait_for(windsock("runs", "-o", "json"), PATIENCE)
    assert done.code == 2
    assert "-o needs --once" in done.err


async def test_runs_on_a_terminal(database: str, connection: asyncpg.Connection) -> None:
    """A table on a screen of its own, which follows the runs; Ctrl-C gives the screen back."""
    above, below = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        WINDSOCK, "runs", "--interval", "0.5", stdin=below, stdout=below, stderr=below,
        env={**os.environ, **on_database(database), "TERM": "xterm", "COLUMNS": "200", "LINES": "30"},
    )  # fmt: skip
    os.close(below)
    os.set_blocking(above, False)
    seen = bytearray()

    def screen() -> str:
        with contextlib.suppress(BlockingIOError, OSError):
            seen.extend(os.read(above, 65536))
        return seen.decode(errors="replace").rpartition("\x1b[H\x1b[J")[2]

    try:
        await until(lambda: "setup_running" in screen(), PATIENCE)
        await connection.execute("UPDATE dag_run SET state = 'success' WHERE run_id = 'setup_running'")
        await until(lambda: "under way" in (now := screen()) and "setup_running" not in now, PATIENCE)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() == 0
        screen()
        assert seen.startswith(b"\x1b[?1049h")
        assert seen.rstrip().endswith(b"\x1b[?1049l")
    finally:
        os.close(above)
