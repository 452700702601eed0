"""`windsock task_log`, as a process, beside a scheduler that runs the task."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from tests.acceptance.cli import on_database, over_http, windsock
from tests.scheduling import Bench, bash, bench

DATE = "2024-01-01"


@pytest.fixture
async def b(database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """Set up a bench."""
    async with bench(database, tmp_path) as made:
        yield made


@pytest.fixture(params=["json_client", "local_client"])
async def environment(
    request: pytest.FixtureRequest, b: Bench, serve: Callable[..., Awaitable[str]]
) -> Mapping[str, str]:
    """Make the environment of each kind of client."""
    folder = {"AIRFLOW__CORE__BASE_LOG_FOLDER": str(b.log_folder)}
    if request.param == "local_client":
        return {**on_database(b.dsn), **folder}
    return over_http(await serve(base_log_folder=b.log_folder))


async def test_tries_that_follow_each_other_quickly(b: Bench, environment: Mapping[str, str]) -> None:
    """Each of them is shown once and whole, however quickly the next one comes."""
    command = (
        "echo first of {{ ti.try_number }}; sleep 0.6; echo last of {{ ti.try_number }}; [ {{ ti.try_number }} = 9 ]"
    )
    await b.load({"d": {"tasks": {"t": bash(command, retries=8)}}})
    await b.trigger("d")
    async with b.scheduler():
        await b.until("SELECT count(*) = 1 FROM task_instance WHERE state = 'running'")
        done = await windsock("task_log", "-f", "d", "t", DATE, **environment)
    lines = [line for line in done.out.splitlines() if line.startswith(("first", "last"))]
    begun = int(lines[0].split()[-1])
    assert lines == [f"{which} of {number}" for number in range(begun, 10) for which in ("first", "last")]
    # However late the command began: it has followed from one try to the next.
    assert begun < 9
    assert done.code == 0
    only = await windsock("task_log", "-f", "--try", "2", "d", "t", DATE, **environment)
    assert only.out == b.log("d", "t", 2)


async def test_a_task_that_is_never_begun(b: Bench, environment: Mapping[str, str]) -> None:
    """Nobody waits for it once its run has ended."""
    await b.load({"d": {"tasks": {"a": bash("sleep 77"), "t": bash("true", "a")}, "dagrun_timeout": 1}})
    await b.trigger("d")
    async with b.scheduler():
        await b.until("SELECT count(*) = 2 FROM task_instance")
        async with asyncio.timeout(20):
            done = await windsock("task_log", "-f", "d", "t", DATE, **environment)
    assert done.code == 3
    assert "there is no log of any try" in done.err


async def test_runs_named_by_their_ids(b: Bench, environment: Mapping[str, str]) -> None:
    """Any run_id that a caller may choose leads to its log."""
    odd = "a/b+c%2F d=\u017c&?#"
    await b.load({"d": {"tasks": {"t": bash("echo done")}}})
    await b.pool.execute(
        "INSERT INTO dag_run (dag_id, run_id, execution_date, state, external_trigger)"
        " VALUES ('d', $1, '2024-01-01', 'running', true)",
        odd,
    )
    async with b.scheduler():
        await b.until("SELECT state = 'success' FROM dag_run")
    for named in (odd, f"run_id={odd}"):
        assert (await windsock("task_state", "d", "t", named, **environment)).out == "success\n"
        assert (await windsock("task_log", "d", "t", named, **environment)).out == b.log("d", "t", 1)
    assert (await windsock("dag_state", "d", f"run_id={odd}", **environment)).out == "success\n"
