"""How fast the scheduler is: tasks a second, and from POST to the first task's start. `python -m bench.scheduler`."""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from server.config import Dsn
from server.embedded import EmbeddedPostgres
from server.metadata.schema import initdb
from tests.live import live_server
from tests.scheduling import Bench, bash, bench, empty

WINDSOCK = str(Path(sys.executable).with_name("windsock"))


@asynccontextmanager
async def scheduler(b: Bench) -> AsyncIterator[Process]:
    """Run `windsock scheduler` beside, as it is."""
    options = {
        "sql_alchemy_conn": b.dsn, "base_log_folder": str(b.log_folder), "dags_folder": str(b.dags_folder),
        "log_level": "WARNING",
    }  # fmt: skip
    env = {**os.environ, **{f"AIRFLOW__WINDSOCK__{name.upper()}": value for name, value in options.items()}}
    process = await asyncio.create_subprocess_exec(WINDSOCK, "scheduler", env=env)
    await b.until("SELECT EXISTS (SELECT FROM job WHERE state = 'running')")
    await asyncio.sleep(1)
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


async def throughput(b: Bench, dag_id: str, runs: int, tasks: int) -> None:
    """Trigger runs and wait for their end: from before the first trigger until the last run is seen to be over."""
    begin = time.monotonic()
    for n in range(runs):
        await b.trigger(dag_id, n)
    await b.until_done(600)
    seconds = time.monotonic() - begin
    done = "SELECT count(*) FROM task_instance WHERE dag_id = $1 AND state = 'success'"
    assert await b.pool.fetchval(done, dag_id) == runs * tasks  # noqa: S101 - a figure for what was not done is none
    print(f"{dag_id:<20} {runs} x {tasks} tasks: {seconds:.2f} s, {runs * tasks / seconds:.0f} tasks/s")  # noqa: T201


async def latency(b: Bench, url: str, samples: int) -> None:
    """Trigger one run after the other over HTTP; from before the request to the time that the task itself writes."""
    waits = []
    async with aiohttp.ClientSession() as session:
        for n in range(samples):
            begin = time.time()
            body = {"execution_date": f"2024-03-01T00:00:00.{n:06}+00:00"}
            async with session.post(f"{url}/api/experimental/dags/clock/dag_runs", json=body) as answer:
                answer.raise_for_status()
            await b.until_done()
            value = await b.pool.fetchval("SELECT value FROM xcom ORDER BY id DESC LIMIT 1")
            waits.append(float(value.decode().strip('"')) - begin)
    p95 = sorted(waits)[int(len(waits) * 0.95)]
    line = f"median {statistics.median(waits) * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms of {samples}"
    print(f"POST to first task's first command: {line}")  # noqa: T201


async def main(samples: int) -> None:
    """Measure on an embedded Postgres as `windsock standalone` has it."""
    with tempfile.TemporaryDirectory(prefix="windsock-bench-") as name:
        folder = Path(name)
        (folder / "cluster").mkdir()
        postgres = EmbeddedPostgres(folder / "cluster")
        await postgres.start()
        try:
            await initdb(Dsn.parse(postgres.dsn))
            async with bench(postgres.dsn, folder) as b:
                await b.pool.execute("DROP TRIGGER witness ON task_instance")
                await b.load({
                    "one_run": {"tasks": {f"t{n}": empty() for n in range(10_000)}},
                    "one_chain": {"tasks": {f"t{n}": empty(*([f"t{n - 1}"] if n else [])) for n in range(800)}},
                    "many_runs": {"tasks": {f"t{n}": empty(*([f"t{n - 1}"] if n else [])) for n in range(100)}},
                    "processes": {"tasks": {f"t{n}": bash("true") for n in range(300)}, "concurrency": 32},
                    "clock": {"tasks": {"t": bash("date +%s.%N")}},
                })  # fmt: skip
                async with scheduler(b), live_server(b.dsn) as url:
                    await latency(b, url, samples)
                    await throughput(b, "one_run", 1, 10_000)
                    await throughput(b, "one_chain", 1, 800)
                    await throughput(b, "many_runs", 100, 100)
                    await throughput(b, "processes", 1, 300)
        finally:
            await postgres.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=100)
    asyncio.run(main(parser.parse_args().samples))
