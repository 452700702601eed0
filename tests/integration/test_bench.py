"""The benchmark's own code works: a tiny data set, a second of load, and the report that is made of it."""

import asyncio
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bench import asking, authentication, bars, cache, data, memory, permissions, report, schedules, works
from bench.load import Load
from bench.rounds import measure
from bench.sides import Running, available
from bench.works import Cell
from server.standalone.dags.loader import DagLoader
from server.standalone.postgres import EmbeddedPostgres, find_binaries
from tests.integration.passwords import add_user, other_hash
from tests.live import live_server
from tests.scheduling import bench

TINY = data.DataSet("bench_tiny", 3, 300)


def test_every_bar_names_what_can_be_measured() -> None:
    """Both sides of a bar exist, answer its work, and are part of the quick plan."""
    sides = {side.name: side.works for side in available()}
    plan = bars.quick_plan()
    for bar in bars.BARS:
        assert {bar.ours, bar.peer} <= set(plan[bar.cell])
        assert bar.cell.work in works.TITLES
        if bar.peer == "pgbench":
            assert (cache.HERE / "pgbench" / f"{bar.cell.work}.sql").exists()
        elif bar.peer in sides:
            assert bar.cell.work in sides[bar.peer]


def test_ratios_are_medians_of_rounds() -> None:
    """Each round's ratio is of measurements that followed one another."""
    bar = bars.Bar(Cell("ti", 256), "windsock", "fastapi", 5)
    ours = [{"rps": 10.0}, {"rps": 60.0}, {"rps": 40.0}]
    theirs = [{"rps": 1.0}, {"rps": 20.0}, {"rps": 8.0}]
    assert bars.ratio(bar, {(bar.cell, "windsock"): ours, (bar.cell, "fastapi"): theirs}) == 5
    assert bars.ratio(bar, {(bar.cell, "windsock"): ours}) is None
    assert bar.holds(5)
    assert not bar.holds(4.9)


def test_memory_is_that_of_the_process_that_serves() -> None:
    """A small process above the big one does not hide how it grows."""
    big = "import time; kept = bytearray(b'x' * 2**27); print(flush=True); time.sleep(60)"
    small = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {big!r}])"
    with subprocess.Popen([sys.executable, "-c", small], stdout=subprocess.PIPE, process_group=0) as process:
        assert process.stdout
        process.stdout.readline()
        assert memory.resident(process.pid) > 128
        os.killpg(process.pid, signal.SIGKILL)


async def test_a_tiny_bench_measures_without_failures(postgres: EmbeddedPostgres) -> None:
    """Reads and triggers are answered well, each trigger has a date of its own, and the report shows them."""
    dsn = await data.load(postgres, TINY)
    load = Load(TINY, dsn, find_binaries(Path("/nonexistent")))
    windsock = available()[0]
    plan = {Cell("ti", 4): ["windsock", "pgbench"], Cell("trigger", 4): ["windsock", "pgbench"]}
    loop = asyncio.get_running_loop()

    def tidy() -> None:
        asyncio.run_coroutine_threadsafe(data.tidy(dsn), loop).result()

    async with live_server(dsn) as url:
        servers = {"windsock": Running(windsock, url, os.getpid())}
        results = await asyncio.to_thread(measure, load, plan, servers, rounds=1, seconds=1, tidy=tidy)
    assert set(results) == {(cell, side) for cell in plan for side in ("windsock", "pgbench")}
    for samples in results.values():
        assert samples[0]["failed"] == 0
        assert samples[0]["rps"] > 1
    tables = report.tables(report.summary({"bench_tiny": results}, None, quick=True))
    assert "| task instance, 4 |" in tables


async def test_authentication_is_measured(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """All ways to authenticate are answered well, guesses are not, and every bar is said to be met or not."""
    await add_user(database, "bench", other_hash("a good password"))
    options = {"auth_backend": "password_auth", "throttle_failures": "0"}
    good = {"Authorization": f"Basic {asking.basic(asking.USER, asking.PASSWORD)}"}
    async with live_server(database) as default, live_server(database, **options) as password:
        await asyncio.to_thread(authentication.throughput, default, password, 1, 1)
        await asyncio.to_thread(authentication.timing, password, 2)
        ways = {"default": (default, {}), "password": (password, good)}
        assert await asyncio.to_thread(permissions.ratio, ways, asking.POOL, 1) > 0
    told = capsys.readouterr().out
    assert told.count("requests/s") == 6
    assert " 0 requests/s" not in told
    assert told.count(": met") + told.count(": MISSED") == 4


async def test_schedules_are_measured(database: str, tmp_path: Path) -> None:
    """The tasks of scheduled runs say how long after the moment due they began."""
    first = datetime.now(UTC) + timedelta(seconds=1)
    async with bench(database, tmp_path) as b:
        due = {f"d{n}": schedules.every_minute(first + n * timedelta(seconds=0.1)) for n in range(3)}
        schedules.write_dags(b.dags_folder, "soon", due)
        async with DagLoader(b.pool, b.dags_folder, paused_at_creation=False, settle=0) as loader:
            assert not (await loader.load_once()).errors
        async with b.scheduler():
            await b.until("SELECT count(*) = 3 FROM dag_run WHERE state = 'success'")
        found = await schedules.latencies(b.pool, first, first + schedules.EVERY)
    assert len(found) == 3
    assert 0 < found[0] <= schedules.at(0.99, found) == found[-1] < 30
    assert schedules.cpu_seconds(os.getpid()) > 0
