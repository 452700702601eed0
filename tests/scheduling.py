"""What tests of the scheduler share: DAGs from YAML, runs, a scheduler in this process, a witness in the database."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import yaml

from server.standalone.dags.loader import DagLoader
from server.standalone.scheduler.entry_point import schedule
from server.standalone.scheduler.states import TRANSITIONS, State
from server.wire.pickles import pickle_conf
from tests.live import config_for

START = datetime(2024, 1, 1, tzinfo=UTC)
BASH = "airflow.operators.bash.BashOperator"
EMPTY = "airflow.operators.empty.EmptyOperator"

# Writes down every change of a task's state, and every moment at which a pool was over its slots.
WITNESS = """
CREATE TABLE witness (n serial, dag_id text, execution_date timestamptz, task_id text, old_state text, new_state text);
CREATE TABLE overfull (pool text, used int, slots int);
CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO witness (dag_id, execution_date, task_id, old_state, new_state)
    SELECT a.dag_id, a.execution_date, a.task_id, b.state, a.state
    FROM old_rows AS b JOIN new_rows AS a USING (dag_id, execution_date, task_id)
    WHERE b.state IS DISTINCT FROM a.state;
    INSERT INTO overfull
    SELECT ti.pool, sum(ti.pool_slots), max(slot_pool.slots)
    FROM task_instance AS ti JOIN slot_pool ON slot_pool.pool = ti.pool
    WHERE ti.state IN ('queued', 'running') GROUP BY ti.pool HAVING sum(ti.pool_slots) > max(slot_pool.slots);
    RETURN NULL;
END $$;
CREATE TRIGGER witness AFTER UPDATE ON task_instance REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION witness();
"""


def bash(command: str, *above: str, **options: object) -> dict[str, object]:
    """Make a task that runs a command."""
    return {"operator": BASH, "bash_command": command, "dependencies": list(above), **options}


def empty(*above: str, **options: object) -> dict[str, object]:
    """Make a task that does nothing."""
    return {"operator": EMPTY, "dependencies": list(above), **options}


class Bench:
    """A database, a folder of DAG files and a folder of logs."""

    def __init__(self, dsn: str, folder: Path, **options: object) -> None:
        """`options` are fields of `Config`."""
        self.dags_folder = folder / "dags"
        self.dags_folder.mkdir()
        self.log_folder = folder / "logs"
        self.dsn = dsn
        self.pool: asyncpg.Pool[asyncpg.Record]
        quick = {"scheduler_heartbeat_sec": "0.5", "scheduler_zombie_task_threshold": "1"}
        folders = {"base_log_folder": str(self.log_folder), "dags_folder": str(self.dags_folder)}
        self.config = config_for(dsn, **{**folders, **quick, **options})

    async def load(self, dags: Mapping[str, Mapping[str, Any]]) -> None:
        """Write a file of DAGs and load it; a DAG is its options, with `tasks`."""
        defaults = {"start_date": "2020-01-01", "retry_delay": 0}
        body = {
            dag_id: {"schedule": None, **dag, "default_args": {**defaults, **dag.get("default_args", {})}}
            for dag_id, dag in dags.items()
        }
        (self.dags_folder / "dags.yaml").write_text(yaml.safe_dump(body, sort_keys=False))
        async with DagLoader(self.pool, self.dags_folder, paused_at_creation=False, settle=0) as loader:
            # Under load a file that was written a moment ago may seem to be open still.
            while (report := await loader.load_once()).waiting:
                await asyncio.sleep(0.05)
        assert not report.errors, report.errors

    async def trigger(self, dag_id: str, n: int = 0, conf: Mapping[str, object] | None = None) -> datetime:
        """Insert a run, as the API does; its date is `n` days after the first."""
        date = START + timedelta(days=n)
        await self.pool.execute(
            "INSERT INTO dag_run (dag_id, run_id, execution_date, state, external_trigger, start_date, conf)"
            " VALUES ($1, $2, $3, 'running', true, now(), $4)",
            dag_id, f"run_{n}", date, pickle_conf(conf, 1),
        )  # fmt: skip
        return date

    async def states(self, dag_id: str, n: int = 0) -> dict[str, str | None]:
        """States of the tasks of a run."""
        rows = await self.pool.fetch(
            "SELECT task_id, state FROM task_instance WHERE dag_id = $1 AND execution_date = $2",
            dag_id, START + timedelta(days=n),
        )  # fmt: skip
        return dict(map(tuple, rows))

    async def run_state(self, dag_id: str, n: int = 0) -> str | None:
        """State of a run."""
        query = "SELECT state FROM dag_run WHERE dag_id = $1 AND execution_date = $2"
        state: str | None = await self.pool.fetchval(query, dag_id, START + timedelta(days=n))
        return state

    async def until(self, query: str, *arguments: object, patience: float = 30) -> None:
        """Wait until the query says true."""
        async with asyncio.timeout(patience):
            while not await self.pool.fetchval(query, *arguments):
                await asyncio.sleep(0.02)

    async def until_done(self, patience: float = 60) -> None:
        """Wait until no run is left running."""
        await self.until("SELECT NOT EXISTS (SELECT FROM dag_run WHERE state = 'running')", patience=patience)

    async def witnessed(self, *, steered: bool = False) -> Sequence[str]:
        """What should never happen, as far as the witness saw it; empty when all was well.

        If runs were `steered`, any task may have been marked or cleared.
        """
        moves: set[tuple[str | None, str | None]] = {
            (str(before) if before else None, str(after)) for before in TRANSITIONS for after in TRANSITIONS[before]
        }
        if steered:
            states = (None, *map(str, State))
            moves |= {(before, after) for before in states for after in (None, "failed", "success", "skipped")}
        seen = {tuple(row) for row in await self.pool.fetch("SELECT DISTINCT old_state, new_state FROM witness")}
        problems = [f"no transition: {move}" for move in seen - moves]
        problems += [f"overfull: {tuple(row)}" for row in await self.pool.fetch("SELECT * FROM overfull")]
        if steered:
            return problems
        twice = await self.pool.fetch(
            "SELECT dag_id, task_id, execution_date FROM witness WHERE new_state = $1"
            " GROUP BY dag_id, task_id, execution_date HAVING count(*) > 1", State.SUCCESS,
        )  # fmt: skip
        return problems + [f"succeeded twice: {tuple(row)}" for row in twice]

    def log(self, dag_id: str, task_id: str, number: int = 1, n: int = 0) -> str:
        """Read a log."""
        date = (START + timedelta(days=n)).isoformat()
        return (self.log_folder / dag_id / task_id / date / f"{number}.log").read_text()

    @asynccontextmanager
    async def scheduler(self) -> AsyncIterator[None]:
        """Run a scheduler while the block runs."""
        task = asyncio.create_task(schedule(self.config))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def bench(dsn: str, folder: Path, **options: object) -> AsyncIterator[Bench]:
    """Set up a bench with its witness."""
    made = Bench(dsn, folder, **options)
    async with asyncpg.create_pool(dsn, min_size=0, max_size=4) as pool:
        await pool.execute(WITNESS)
        made.pool = pool
        yield made
