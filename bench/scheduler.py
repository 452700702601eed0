"""How fast the scheduler is, beside that of an Airflow 2.11.2 with its LocalExecutor. `make bench-scheduler`."""

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
from typing import NamedTuple

import aiohttp
import asyncpg

from bench.airflow_scheduler import airflow_scheduler
from server.database.schema import initdb
from server.standalone.postgres import EmbeddedPostgres
from tests.live import live_server
from tests.scheduling import Bench, bash, bench, empty
from windsock.config import Dsn

WINDSOCK = str(Path(sys.executable).with_name("windsock"))
PYTHON = "airflow.operators.python.PythonOperator"


class Work(NamedTuple):
    """A DAG of tasks of one kind, and how many of them each side gets."""

    dag_id: str
    title: str
    ours: int
    theirs: int


WORKS = (
    Work("noop", "EmptyOperator", 10_000, 300),
    Work("bash", "BashOperator, `true`", 300, 60),
    Work("python", "PythonOperator, `pass`", 300, 60),
)


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


async def throughput(pool: asyncpg.Pool, url: str, dag_id: str, n: int, tasks: int) -> float:
    """Trigger a run over HTTP and wait for its end, which is looked for all the time; tasks a second."""
    begin = time.monotonic()
    await trigger(url, dag_id, n)
    ended = "SELECT NOT EXISTS (SELECT FROM dag_run WHERE state IN ('queued', 'running'))"
    while not await pool.fetchval(ended):  # noqa: ASYNC110 - Airflow's database tells nobody
        await asyncio.sleep(0.02)
    seconds = time.monotonic() - begin
    done = "SELECT count(*) FROM task_instance WHERE dag_id = $1 AND state = 'success'"
    assert await pool.fetchval(done, dag_id) == (n + 1) * tasks  # noqa: S101 - a figure for what was not done is none
    return tasks / seconds


async def trigger(url: str, dag_id: str, n: int) -> None:
    """Trigger the `n`th run of a DAG."""
    body = {"execution_date": f"2024-03-01T00:00:00.{n:06}+00:00"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/api/experimental/dags/{dag_id}/dag_runs", json=body) as answer,
    ):
        answer.raise_for_status()


async def latency(b: Bench, url: str, samples: int) -> None:
    """Trigger one run after the other; from before the request to the time that the task itself writes."""
    waits = []
    for n in range(samples):
        begin = time.time()
        await trigger(url, "clock", n)
        await b.until_done()
        value = await b.pool.fetchval("SELECT value FROM xcom ORDER BY id DESC LIMIT 1")
        waits.append(float(value.decode().strip('"')) - begin)
    p95 = sorted(waits)[int(len(waits) * 0.95)]
    say(f"POST to first task's first command: median {statistics.median(waits) * 1000:.0f} ms,"
        f" p95 {p95 * 1000:.0f} ms of {samples}")  # fmt: skip


async def ours(postgres: EmbeddedPostgres, folder: Path, samples: int, rounds: int) -> dict[str, float]:
    """Measure Windsock on an embedded Postgres as `windsock standalone` has it."""
    await initdb(Dsn.parse(postgres.dsn))
    async with bench(postgres.dsn, folder) as b:
        await b.pool.execute("DROP TRIGGER witness ON task_instance")
        (b.dags_folder / "code.py").write_text("def nothing(): pass\n")
        python = {"operator": PYTHON, "python_callable_file": "code.py", "python_callable_name": "nothing"}
        kinds = {"noop": empty(), "bash": bash("true"), "python": python}
        await b.load({
            **{w.dag_id: {"tasks": {f"t{n}": kinds[w.dag_id] for n in range(w.ours)}, "concurrency": 8} for w in WORKS},
            "chain": {"tasks": {f"t{n}": empty(*([f"t{n - 1}"] if n else [])) for n in range(800)}},
            "clock": {"tasks": {"t": bash("date +%s.%N")}},
        })  # fmt: skip
        async with scheduler(b), live_server(b.dsn) as url:
            await latency(b, url, samples)
            say(f"one chain of 800 tasks: {await throughput(b.pool, url, 'chain', 0, 800):.0f} tasks/s")
            return {
                work.dag_id: statistics.median([
                    await throughput(b.pool, url, work.dag_id, n, work.ours) for n in range(rounds)
                ])
                for work in WORKS
            }  # fmt: skip


async def theirs(postgres: EmbeddedPostgres, folder: Path, rounds: int) -> dict[str, float]:
    """Measure an Airflow on another database of the same Postgres."""
    async with (
        airflow_scheduler(postgres, folder, {work.dag_id: work.theirs for work in WORKS}) as dsn,
        asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool,
        live_server(dsn) as url,
    ):
        return {
            work.dag_id: statistics.median([
                await throughput(pool, url, work.dag_id, n, work.theirs) for n in range(rounds)
            ])
            for work in WORKS
        }  # fmt: skip


def say(line: str) -> None:
    """Print."""
    print(line, flush=True)  # noqa: T201 - a script


async def main(samples: int, rounds: int) -> None:
    """Measure both, one after the other: an Airflow that idles is not idle."""
    with tempfile.TemporaryDirectory(prefix="windsock-bench-") as name:
        folder = Path(name)
        (folder / "cluster").mkdir()
        postgres = EmbeddedPostgres(folder / "cluster")
        await postgres.start()
        try:
            mine = await ours(postgres, folder, samples, rounds)
            other = await theirs(postgres, folder, rounds)
        finally:
            await postgres.stop()
    say(f"\n{'tasks/s, median of ' + str(rounds):<26}{'Windsock':>12}{'Airflow 2.11.2':>18}{'ratio':>8}")
    for work in WORKS:
        a, b = mine[work.dag_id], other[work.dag_id]
        say(f"{work.title:<26}{a:>12,.0f}{b:>18,.1f}{a / b:>7,.0f}x")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    asyncio.run(main(given.samples, given.rounds))
