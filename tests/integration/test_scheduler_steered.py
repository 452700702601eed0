"""Tasks that are taken away from their scheduler while they run: they end at once, and nothing runs twice."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from server.database.metadata import Metadata, open_metadata
from server.database.steering import Steering
from server.wire import Clear
from tests.scheduling import START, Bench, bash, bench

RUNNING = "SELECT EXISTS (SELECT FROM task_instance WHERE task_id = $1 AND state = 'running' AND pid IS NOT NULL)"
STATE = "SELECT state FROM task_instance WHERE task_id = $1"


@pytest.fixture
async def b(database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """Set up a bench whose schedulers look around so rarely that they depend on what they are told."""
    async with bench(database, tmp_path, scheduler_heartbeat_sec="30", killed_task_cleanup_time="20") as made:
        yield made
        assert await made.pool.fetchval("SELECT count(*) FROM overfull") == 0


@pytest.fixture
async def metadata(b: Bench) -> AsyncIterator[Metadata]:
    """Open the database as the API does."""
    async with open_metadata(b.config) as opened:
        yield opened


@pytest.fixture
def steering(metadata: Metadata) -> Steering:
    """Steer runs as the API does."""
    return metadata.steering


def work(folder: Path, *above: str, ending: str = "exit 1", **options: object) -> dict[str, object]:
    """Make a task that takes a lock, and takes a second for its end; its second try succeeds at once."""
    command = f"""
        exec 9>>{folder}/lock
        flock -n 9 || echo doubled >> {folder}/doubled
        echo try {{{{ ti.try_number }}}} runs
        [ {{{{ ti.try_number }}}} = 1 ] || exit 0
        trap 'sleep 1; echo ending; {ending}' TERM
        while :; do sleep 0.02; done"""
    return bash(command, *above, **options)


async def _gone(pid: int) -> None:
    async with asyncio.timeout(15):
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("state", ["failed", "success"])
async def test_a_run_that_is_marked_ends_its_tasks_at_once(
    b: Bench, steering: Steering, tmp_path: Path, state: str
) -> None:
    """Whatever a task reports afterwards changes nothing: it says success here, and leaves a result."""
    tasks = {"a": work(tmp_path, ending="echo result; exit 0"), "b": bash("true", "a")}
    await b.load({"d": {"tasks": tasks}})
    date = await b.trigger("d")
    async with b.scheduler():
        await b.until(RUNNING, "a")
        pid = await b.pool.fetchval("SELECT pid FROM task_instance WHERE task_id = 'a'")
        done = await steering.set_run_state("d", date, state)
        assert (done.state, await b.run_state("d")) == (state, state)
        assert (await b.states("d"))["a"] == state
        await _gone(pid)
        await b.until("SELECT NOT EXISTS (SELECT FROM windsock_ending)")
        assert "Ended from outside" in b.log("d", "a")
    marked = await b.states("d")
    assert marked["a"] == state
    assert set(marked.values()) <= {state, "skipped"}
    assert await b.run_state("d") == state
    assert await b.pool.fetchval("SELECT count(*) FROM xcom") == 0


async def test_a_task_that_is_cleared_while_it_runs(b: Bench, steering: Steering, tmp_path: Path) -> None:
    """Its next try begins when the processes of this one have ended, in whichever of two schedulers; logs stay."""
    await b.load({"d": {"tasks": {"a": work(tmp_path), "b": bash("true", "a")}}})
    date = await b.trigger("d")
    async with b.scheduler(), b.scheduler():
        await b.until(RUNNING, "a")
        done = await steering.clear("d", date, Clear(only_failed=False, task_ids=["a"]))
        assert [(one.task_id, one.state) for one in done.task_instances] == [("a", "running")]
        await b.until_done()
    assert await b.states("d") == {"a": "success", "b": "success"}
    assert await b.run_state("d") == "success"
    assert not (tmp_path / "doubled").exists()
    assert "try 1 runs" in b.log("d", "a")
    assert "ending" in b.log("d", "a")
    assert "try 2 runs" in b.log("d", "a", 2)


async def test_a_run_that_is_stopped_and_cleared_at_once(b: Bench, steering: Steering, tmp_path: Path) -> None:
    """The task waits for its own end although its row says for long that it has failed."""
    await b.load({"d": {"tasks": {"a": work(tmp_path)}}})
    date = await b.trigger("d")
    async with b.scheduler(), b.scheduler():
        await b.until(RUNNING, "a")
        await steering.set_run_state("d", date, "failed")
        await steering.clear("d", date, Clear())
        assert await b.run_state("d") == "running"
        await b.until_done()
    assert await b.states("d") == {"a": "success"}
    assert not (tmp_path / "doubled").exists()


async def test_a_run_that_has_ended_is_repeated_at_once(b: Bench, steering: Steering) -> None:
    """What failed and what waited for it; what succeeded stays as it is."""
    flag = b.log_folder.parent / "flag"
    tasks = {
        "good": bash("echo once"),
        "bad": bash(f"[ -e {flag} ]", "good", retries=1, retry_delay=0),
        "below": bash("true", "bad"),
    }
    await b.load({"d": {"tasks": tasks}})
    date = await b.trigger("d")
    async with b.scheduler():
        await b.until_done()
        assert await b.states("d") == {"good": "success", "bad": "failed", "below": "upstream_failed"}
        flag.touch()
        start = time.monotonic()
        done = await steering.clear("d", date, Clear())
        assert {one.task_id for one in done.task_instances} == {"bad", "below"}
        await b.until_done()
        # Not at the next heartbeat.
        assert time.monotonic() - start < 20
    assert set((await b.states("d")).values()) == {"success"}
    tries = await b.pool.fetch("SELECT task_id, try_number FROM task_instance ORDER BY task_id")
    assert list(map(tuple, tries)) == [("bad", 3), ("below", 1), ("good", 1)]
    assert sorted(path.name for path in (b.log_folder / "d" / "bad" / START.isoformat()).iterdir()) == [
        "1.log", "2.log", "3.log",
    ]  # fmt: skip


async def test_a_task_that_does_not_run_again_has_no_old_dates(b: Bench, steering: Steering) -> None:
    """It ends at the moment at which its upstream task fails, however long ago its earlier try began."""
    flag = b.log_folder.parent / "flag"
    flag.touch()
    await b.load({"d": {"tasks": {"a": bash(f"[ -e {flag} ]"), "below": bash("true", "a")}}})
    date = await b.trigger("d")
    async with b.scheduler():
        await b.until_done()
        await b.pool.execute("UPDATE task_instance SET start_date = start_date - interval '1 hour'")
        flag.unlink()
        await steering.clear("d", date, Clear(only_failed=False))
        await b.until_done()
    assert await b.states("d") == {"a": "failed", "below": "upstream_failed"}
    [row] = await b.pool.fetch("SELECT * FROM task_instance WHERE task_id = 'below'")
    assert (row["start_date"], row["duration"]) == (row["end_date"], 0)


async def test_a_run_that_is_deleted_while_it_runs(b: Bench, steering: Steering, tmp_path: Path) -> None:
    """Its task ends; a new run of the same date waits for that."""
    await b.load({"d": {"tasks": {"a": work(tmp_path)}}})
    date = await b.trigger("d")
    async with b.scheduler(), b.scheduler():
        await b.until(RUNNING, "a")
        pid = await b.pool.fetchval("SELECT pid FROM task_instance")
        await steering.delete_run("d", date)
        assert await b.states("d") == {}
        await b.trigger("d")
        await b.until(RUNNING, "a")
        assert not Path(f"/proc/{pid}").exists()
        await steering.set_run_state("d", date, "failed")
    assert not (tmp_path / "doubled").exists()


async def test_a_task_that_is_marked_lets_others_run(b: Bench, steering: Steering, tmp_path: Path) -> None:
    """As soon as it has the state; its own end may take longer."""
    await b.load({"d": {"tasks": {"a": work(tmp_path), "b": bash("true", "a")}}})
    date = await b.trigger("d")
    async with b.scheduler():
        await b.until(RUNNING, "a")
        pid = await b.pool.fetchval("SELECT pid FROM task_instance WHERE task_id = 'a'")
        await steering.set_instance_state("d", date, "a", None, "success")
        await b.until_done()
        await _gone(pid)
    assert await b.states("d") == {"a": "success", "b": "success"}


async def test_the_notice_is_lost(database: str, tmp_path: Path) -> None:
    """The next heartbeat finds it: here rows are changed by hand, and no trigger tells of it."""
    async with bench(database, tmp_path) as b:
        await b.load({"d": {"tasks": {"a": bash("sleep 77"), "b": bash("true", "a")}}})
        await b.trigger("d")
        async with b.scheduler():
            await b.until(RUNNING, "a")
            pid = await b.pool.fetchval("SELECT pid FROM task_instance WHERE task_id = 'a'")
            await b.pool.execute("ALTER TABLE task_instance DISABLE TRIGGER USER")
            await b.pool.execute("UPDATE task_instance SET state = 'success' WHERE task_id = 'a'")
            await _gone(pid)
            await b.until_done()
        assert await b.states("d") == {"a": "success", "b": "success"}


async def test_a_scheduler_that_is_gone(database: str, tmp_path: Path) -> None:
    """Nobody ends the try of a scheduler that has died: another one finds it, and only then the task runs again."""
    async with bench(database, tmp_path) as b:
        await b.load({"d": {"tasks": {"a": bash("true")}}})
        date = await b.trigger("d")
        async with b.scheduler():
            await b.until_done()
        dead = await b.pool.fetchval("INSERT INTO job (state, latest_heartbeat) VALUES ('running', now()) RETURNING id")
        await b.pool.execute("UPDATE task_instance SET state = 'running', job_id = $1, hostname = 'elsewhere'", dead)
        async with open_metadata(b.config) as metadata, AsyncExitStack() as held:
            holder = await held.enter_async_context(b.pool.acquire())
            await holder.execute("SELECT pg_advisory_lock($1, $2)", 0x77690001, dead)
            await metadata.steering.clear("d", date, Clear(only_failed=False))
            async with b.scheduler():
                await b.until("SELECT EXISTS (SELECT FROM task_instance WHERE state = 'scheduled')")
                await asyncio.sleep(1.5)
                # It may be only slow.
                assert await b.states("d") == {"a": "scheduled"}
                await held.aclose()
                await b.until_done()
        assert await b.states("d") == {"a": "success"}
        assert await b.pool.fetchval("SELECT count(*) FROM windsock_ending") == 0


async def test_reports_are_not_taken_for_steering(b: Bench) -> None:
    """A try that ends by itself, a retry and a task that is skipped leave nothing to wait for."""
    tasks = {"a": bash("exit 0"), "b": bash("[ {{ ti.try_number }} = 2 ]", retries=1), "c": bash("exit 99")}
    await b.load({"d": {"tasks": tasks}})
    await b.trigger("d")
    async with b.scheduler():
        await b.until_done()
    assert await b.pool.fetchval("SELECT last_value = 1 AND NOT is_called FROM windsock_ending_id_seq")
