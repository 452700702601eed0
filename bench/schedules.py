"""How soon the runs of 1,000 schedules begin, and what a scheduler costs when nothing is due. `make bench-schedules`.

A `windsock scheduler` as it is by default works on an embedded Postgres in which each DAG has a month of runs already.
- Nightly: each DAG runs once a day, at a minute that is hours away. How much of a core does the scheduler take?
- Staggered: each DAG is due once a minute, no two at a time. How long after that moment does its task begin?
- Together: all DAGs are due at one moment. No machine of two cores starts that many within a second: there is no bar.

The task itself says when it began, with the first command of its shell.
"""

import asyncio
import os
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import click
import yaml

from server.database.schema import initdb
from server.standalone.postgres import EmbeddedPostgres
from windsock.config import Dsn

# What the issue of schedules is held against: seconds, and percents of a core.
BARS = {"p99": 1.0, "idle": 1.0}
EVERY = timedelta(minutes=1)
_WINDSOCK = str(Path(sys.executable).with_name("windsock"))
_TICKS = os.sysconf("SC_CLK_TCK")
_HISTORY = 30
_PATIENCE = 300.0
_SETTLED = timedelta(seconds=2)
_TASK = {"operator": "airflow.operators.bash.BashOperator", "bash_command": "echo $EPOCHREALTIME"}
_LOADED = """
SELECT count(*) = $1 FROM dag JOIN serialized_dag USING (dag_id)
WHERE description = $2 AND windsock_scheduled_hash = dag_hash
"""
_OLD_RUNS = """
WITH runs AS (
    INSERT INTO dag_run (dag_id, run_id, execution_date, state, external_trigger, start_date, end_date)
    SELECT dag_id, 'manual__' || n, now() - n * interval '1 day', 'success', true, now(), now()
    FROM dag, generate_series(1, $1::int) AS n
    RETURNING dag_id, execution_date
)
INSERT INTO task_instance (dag_id, execution_date, task_id, state, try_number, start_date, end_date, pool)
SELECT dag_id, execution_date, 't', 'success', 1, now(), now(), 'default_pool' FROM runs
"""
_LATENCIES = """
SELECT (convert_from(x.value, 'UTF8')::jsonb #>> '{}')::float8 - extract(epoch FROM r.data_interval_end)::float8
FROM dag_run AS r JOIN xcom AS x USING (dag_id, execution_date)
WHERE r.data_interval_end >= $1 AND r.data_interval_end < $2
ORDER BY 1
"""
# The next phase begins anew: a schedule goes on where the last run of the one before ended.
_PAUSE = "UPDATE dag SET is_paused = true"
_UNPAUSE = "UPDATE dag SET is_paused = false"
_FORGET = """
WITH old AS (DELETE FROM dag_run WHERE data_interval_end IS NOT NULL RETURNING dag_id, execution_date),
    values AS (DELETE FROM xcom USING old WHERE xcom.dag_id = old.dag_id AND xcom.execution_date = old.execution_date)
DELETE FROM task_instance AS ti USING old WHERE ti.dag_id = old.dag_id AND ti.execution_date = old.execution_date
"""
_LEFT = """
SELECT count(*) = 0 FROM dag WHERE next_dagrun_create_after < $1
    OR EXISTS (SELECT FROM dag_run AS r WHERE r.dag_id = dag.dag_id AND r.data_interval_end < $1 AND state = 'running')
"""


def nightly(n: int, now: datetime) -> dict[str, Any]:
    """Return the schedule of the `n`th of many nightly DAGs: a minute of the day that is hours away."""
    return {"schedule": f"{n % 60} {(now.hour + 2 + n % 20) % 24} * * *", "start_date": now, "catchup": False}


def every_minute(first: datetime) -> dict[str, Any]:
    """Return the schedule of a DAG that is due at `first`, and every minute after that."""
    return {"schedule": {"__type__": "datetime.timedelta", "seconds": EVERY.seconds}, "start_date": first - EVERY}


def write_dags(folder: Path, name: str, schedules: Mapping[str, Mapping[str, Any]]) -> None:
    """Write one file for each DAG; `name` is the description of all of them."""
    for dag_id, schedule in schedules.items():
        dag = {"description": name, "default_args": {"start_date": schedule["start_date"].isoformat()}}
        rest = {key: value for key, value in schedule.items() if key != "start_date"}
        (folder / f"{dag_id}.yaml").write_text(yaml.safe_dump({dag_id: {**dag, **rest, "tasks": {"t": _TASK}}}))


async def latencies(pool: "asyncpg.Pool[asyncpg.Record]", since: datetime, until: datetime) -> list[float]:
    """Return the seconds from the moment due to the task's first command, of what was due in a time; sorted."""
    return [row[0] for row in await pool.fetch(_LATENCIES, since, until)]


def at(share: float, sorted_values: list[float]) -> float:
    """Return a percentile."""
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and its children, also of those that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except OSError:
        # It has just ended.
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS + sum(cpu_seconds(int(child)) for child in children)


class Schedules:
    """A scheduler that runs, its database, and its folder of DAG files."""

    def __init__(
        self, pool: "asyncpg.Pool[asyncpg.Record]", folder: Path, pids: Mapping[str, int], number: int
    ) -> None:
        """`pids` are the processes whose time counts."""
        self.pool = pool
        self._folder = folder
        self._pids = pids
        self._number = number

    async def load(self, name: str, schedules: Mapping[str, Mapping[str, Any]]) -> float:
        """Give all DAGs new schedules; return after how many seconds the scheduler knows them."""
        begin = time.monotonic()
        write_dags(self._folder, name, schedules)
        await self._until(_LOADED, self._number, name)
        return time.monotonic() - begin

    async def idle(self, seconds: float) -> dict[str, float]:
        """Return the percents of a core that each process takes while nothing is due."""
        return await self._percents(asyncio.sleep(seconds))

    async def due(self, name: str, spread: timedelta, allowance: float, seconds: float) -> None:
        """Let all DAGs be due once a minute, within `spread`; say how soon they began in a time of so many seconds.

        `allowance`: for how many seconds the files may be loaded.
        """
        await self.pool.execute(_PAUSE)
        await self.pool.execute(_FORGET)
        begin = datetime.now(UTC) + timedelta(seconds=allowance)
        steps = {f"d{n}": every_minute(begin + n * spread / self._number) for n in range(self._number)}
        await self.load(name, steps)
        await self.pool.execute(_UNPAUSE)
        while begin < datetime.now(UTC) + _SETTLED:
            begin += EVERY
        end = begin + timedelta(seconds=seconds)
        await asyncio.sleep((begin - datetime.now(UTC)).total_seconds())
        percents = await self._percents(self._until_over(end))
        found = await latencies(self.pool, begin, end)
        if len(found) != (wanted := round(self._number * (seconds / EVERY.seconds if spread else 1))):
            message = f"{name}: {len(found)} runs instead of {wanted}"
            raise RuntimeError(message)
        last = begin + timedelta(seconds=found[-1])
        tell(f"{name}: runs", len(found))
        tell(f"{name}: seconds to the first command, median", at(0.5, found))
        tell(f"{name}: seconds to the first command, p99", at(0.99, found), BARS["p99"] if spread else None)
        tell(f"{name}: seconds to the first command, longest", found[-1])
        if not spread:
            tell(f"{name}: tasks a second", len(found) / (last - begin).total_seconds())
        for process, percent in percents.items():
            tell(f"{name}: percent of a core, {process}", percent)

    async def _until_over(self, end: datetime) -> None:
        await asyncio.sleep((end - datetime.now(UTC)).total_seconds())
        await self._until(_LEFT, end)

    async def _percents(self, work: Any) -> dict[str, float]:  # noqa: ANN401 - an awaitable
        begin, before = time.monotonic(), {name: cpu_seconds(pid) for name, pid in self._pids.items()}
        await work
        seconds = time.monotonic() - begin
        return {name: (cpu_seconds(pid) - before[name]) / seconds * 100 for name, pid in self._pids.items()}

    async def _until(self, query: str, *arguments: object) -> None:
        async with asyncio.timeout(_PATIENCE):
            while not await self.pool.fetchval(query, *arguments):  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.2)


@asynccontextmanager
async def scheduler(dsn: str, home: Path) -> AsyncIterator[Process]:
    """Run a scheduler beside, as it is by default."""
    options = {"SQL_ALCHEMY_CONN": dsn, "DAGS_FOLDER": str(home / "dags"), "BASE_LOG_FOLDER": str(home / "logs")}
    env = {**os.environ, **{f"AIRFLOW__WINDSOCK__{name}": value for name, value in options.items()}}
    with (home / "scheduler.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(_WINDSOCK, "scheduler", env=env, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


async def measure(postgres: EmbeddedPostgres, home: Path, number: int, *, quick: bool) -> None:
    """Measure all, and say it."""
    await initdb(Dsn.parse(postgres.dsn))
    (home / "dags").mkdir()
    async with (
        asyncpg.create_pool(postgres.dsn, min_size=1, max_size=2) as pool,
        scheduler(postgres.dsn, home) as process,
    ):
        pids = {"scheduler": process.pid, "Postgres": postgres.pid or 0}
        schedules = Schedules(pool, home / "dags", pids, number)
        now = datetime.now(UTC)
        took = await schedules.load("nightly", {f"d{n}": nightly(n, now) for n in range(number)})
        tell(f"seconds to load {number} files", took)
        await pool.execute(_OLD_RUNS, _HISTORY)
        await pool.execute("VACUUM ANALYZE")
        await asyncio.sleep(5 if quick else 15)
        for name, percent in (await schedules.idle(20 if quick else 60)).items():
            bar = BARS["idle"] if name == "scheduler" else None
            tell(f"nothing is due: percent of a core, {name}", percent, bar)
        allowance = 1.5 * took + 5
        await schedules.due("staggered", EVERY, allowance, 30 if quick else 120)
        await schedules.due("together", timedelta(), allowance, 1)


def tell(what: str, value: float, bar: float | None = None) -> None:
    """Print a figure."""
    verdict = "" if bar is None else f"  ({'met' if value < bar else 'MISSED'}: below {bar:g})"
    click.echo(f"{what:<55} {value:>10,.2f}{verdict}")


@click.command()
@click.option("--dags", default=1000, show_default=True, help="How many DAGs.")
@click.option("--quick", is_flag=True, help="For less time: two minutes instead of five.")
def main(*, dags: int, quick: bool) -> None:
    """Measure how soon the runs of schedules begin."""

    async def run() -> None:
        with tempfile.TemporaryDirectory(prefix="windsock-bench-") as folder:
            home = Path(folder)
            (home / "cluster").mkdir()
            postgres = EmbeddedPostgres(home / "cluster")
            await postgres.start()
            try:
                await measure(postgres, home, dags, quick=quick)
            finally:
                await postgres.stop()

    asyncio.run(run())


if __name__ == "__main__":
    main()
