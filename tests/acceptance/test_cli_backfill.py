"""`windsock backfill`, with a scheduler that runs what it makes."""

import asyncio
import contextlib
import os
import pty
import signal
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.acceptance.cli import WINDSOCK, Done, on_database, over_http, windsock
from tests.live import live_server
from tests.scheduling import Bench, bash, bench
from tests.until import until

pytestmark = pytest.mark.usefixtures("interruptible")

PATIENCE = 30
INTERVAL = "echo from {{ data_interval_start }} to {{ data_interval_end }}"


@pytest.fixture
async def b(database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """Set up a bench, and hold afterwards what its witness saw against the table of transitions."""
    async with bench(database, tmp_path) as made:
        yield made
        assert not await made.witnessed(steered=True)


def day(days_ago: int) -> str:
    """Return a midnight in UTC as the commands show it."""
    return f"{datetime.now(UTC) - timedelta(days=days_ago):%Y-%m-%d}T00:00:00+00:00"


def daily(command: str, **options: object) -> dict[str, object]:
    """Make a DAG that has a run each day, of which it makes only the last one itself."""
    start = {"start_date": day(9)[:10]}
    return {"schedule": "@daily", "default_args": start, "catchup": False, "tasks": {"t": bash(command)}, **options}


def ids(*days: int) -> list[str]:
    """Return the ids of the runs of a backfill."""
    return [f"backfill__{day(number)}" for number in days]


async def runs(b: Bench, dag_id: str = "d") -> list[str]:
    """Return the ids of a DAG's runs, by date."""
    query = "SELECT run_id FROM dag_run WHERE dag_id = $1 ORDER BY execution_date"
    return [row["run_id"] for row in await b.pool.fetch(query, dag_id)]


@pytest.mark.parametrize("over", ["http", "database"])
async def test_a_backfill_makes_what_is_missing(b: Bench, tmp_path: Path, over: str) -> None:
    """Runs of dates that have none; their tasks know the intervals; a run that fails is named, also by the next one."""
    go = tmp_path / "go"
    await b.load({"d": daily(f"{INTERVAL}; [ {{{{ ds }}}} != {day(4)[:10]} -o -e {go} ]")})
    async with contextlib.AsyncExitStack() as stack:
        client: Mapping[str, str] = on_database(b.dsn)
        if over == "http":
            client = over_http(await stack.enter_async_context(live_server(b.dsn)))

        async def backfill(*arguments: str) -> Done:
            dates = "--start-date", day(5), "--end_date", day(0)
            return await windsock("backfill", *dates, *arguments, "d", **client)

        assert (await windsock("trigger_dag", "-r", "mine", "-e", day(3), "d", **client)).code == 0
        await stack.enter_async_context(b.scheduler())
        await b.until("SELECT count(*) = 2 FROM dag_run WHERE state = 'success'")
        planned = await backfill("--dry-run")
        assert (planned.code, planned.out.split()) == (0, ids(5, 4, 2))
        assert "2 dates of 5 left out: there is a run already" in planned.err
        assert await runs(b) == ["mine", f"scheduled__{day(1)}"]
        done = await backfill()
        assert (done.code, done.out.split()) == (1, ids(5, 4, 2))
        said = done.err.splitlines()
        assert said[:2] == [
            "1 date left out: the schedule makes these runs when their data intervals end",
            "2 dates of 5 left out: there is a run already",
        ]
        assert "3/3 done, 0 running, 1 failed" in said
        failed = f"{ids(4)[0]}: failed"
        assert said[-2:] == [failed, "Error: 1 of 3 runs failed; `windsock clear -f` repeats what failed in them"]
        log = (b.log_folder / "d" / "t" / day(5) / "1.log").read_text()
        assert f"from {day(5)} to {day(4)}\n" in log.replace(" 00:00", "T00:00")
        again = await backfill()
        assert (again.code, again.out, failed in again.err) == (1, "", True)
        go.touch()
        assert (await windsock("clear", "-y", "-f", "d", ids(4)[0], **client)).code == 0
        again = await backfill()
        assert (again.code, again.out, again.err.splitlines()[-1]) == (0, "", "3 runs succeeded")


async def test_ctrl_c_and_the_same_command_again(b: Bench, tmp_path: Path) -> None:
    """On a terminal a line shows how far it is; what is interrupted goes on, and can be waited for."""
    go = tmp_path / "go"
    await b.load({"d": daily(f"[ {{{{ ds }}}} = {day(5)[:10]} ] || until [ -e {go} ]; do sleep 0.05; done")})
    command = ("dags", "backfill", "-s", day(5), "-e", day(3), "d")
    above, below = pty.openpty()
    seen = bytearray()

    def screen() -> str:
        with contextlib.suppress(BlockingIOError, OSError):
            seen.extend(os.read(above, 65536))
        return seen.decode(errors="replace")

    async with b.scheduler():
        process = await asyncio.create_subprocess_exec(
            WINDSOCK, *command, stdin=below, stdout=below, stderr=below, env={**os.environ, **on_database(b.dsn)}
        )
        os.close(below)
        os.set_blocking(above, False)
        await until(lambda: "\r\x1b[K1/3 done, 2 running, 0 failed" in screen(), PATIENCE)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() == 130
        assert "no longer waiting; 2 runs under way, which go on; the same command waits for them again" in screen()
        os.close(above)
        assert set(ids(5, 4, 3)) <= set(await runs(b))
        waiting = asyncio.create_task(windsock(*command, **on_database(b.dsn)))
        go.touch()
        done = await waiting
    assert (done.code, done.out, done.err.splitlines()[-1]) == (0, "", "3 runs succeeded")


async def test_what_cannot_be_made(b: Bench) -> None:
    """One line says why: no dates, no schedule, no run between them, too many, no such DAG."""
    await b.load(
        {
            "d": daily("true"),
            "none": daily("true", schedule=None),
            "often": daily("true", schedule="* * * * *"),
            "no_start": daily("true", default_args={"start_date": None}),
        }
    )
    client = on_database(b.dsn)
    for arguments, code, said in (
        (["d"], 2, "name the dates of the runs with -s and -e"),
        (["-s", day(5), "none"], 1, "there is no run to make: The DAG has no schedule"),
        (["-s", day(3), "-e", day(5), "d"], 1, "make: The first of these dates is after the last one"),
        (
            ["-s", day(5), "no_start"],
            1,
            "there is no run to make: This schedule is not run: it needs a `start_date`",
        ),
        (
            ["-s", day(20), "-e", day(12), "d"],
            1,
            "there is no run to make: The schedule has no run between these dates",
        ),
        (["-s", day(3), "-e", day(1), "often"], 1, "a backfill makes fewer than 1000 runs"),
        (["-s", "never", "d"], 1, "Given execution date, never, could not be identified as a date"),
        (["-e", day(5), "nope"], 3, "Dag id nope not found"),
    ):
        done = await windsock("backfill", *arguments, **client)
        assert (done.code, said in done.err, done.out) == (code, True, ""), (arguments, done)
    assert await b.pool.fetchval("SELECT count(*) FROM dag_run") == 0
    done = await windsock("backfill", "--no-wait", "-e", day(5), "d", **client)
    assert (done.code, done.out.split()) == (0, ids(5))
    assert "No scheduler of this database is alive" in done.err


async def test_a_date_whose_id_is_taken_is_not_done(b: Bench) -> None:
    """The exit status says so, also beside dates that were done; so it stays until somebody deletes the run."""
    await b.load({"d": daily("true")})
    client = on_database(b.dsn)
    elsewhere = await windsock("trigger_dag", "-r", ids(4)[0], "-e", f"{day(8)[:10]}T05:00", "d", **client)
    assert elsewhere.code == 0
    undone = "Error: 1 date without a run: runs of other dates have the ids"
    async with b.scheduler():
        for made in (ids(5, 3), []):
            done = await windsock("backfill", "-s", day(5), "-e", day(3), "d", **client)
            assert (done.code, done.out.split(), done.err.splitlines()[-1]) == (1, made, undone), done
            assert f"{day(4)} left out: Run id {ids(4)[0]} already exists" in done.err
            assert "2 runs succeeded" in done.err
    for wait in ("--wait", "--no-wait"):
        done = await windsock("backfill", "-e", day(4), wait, "d", **client)
        assert (done.code, done.out, done.err.splitlines()[-1]) == (1, "", undone), done
        assert "nothing to do" not in done.err
