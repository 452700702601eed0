"""Kills and stops schedulers, kills tasks and Postgres, steers runs at random moments, and says what came of it.

Meanwhile other DAGs have schedules: in the end exactly their runs must be there.
`python -m tests.chaos --minutes 10` runs it for long; `tests/acceptance/test_scheduler_kill.py` for short.
"""

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from server.database.metadata import Metadata, open_metadata
from server.database.schema import initdb
from server.errors import WindsockError
from server.standalone.postgres import EmbeddedPostgres
from server.wire import Clear, RunId
from tests.scheduling import Bench, bench
from tests.storm_dags import POISON, Scheduled, dags_of_a_storm, scheduled_dags, wrong_runs
from windsock.config import Dsn

WINDSOCK = str(Path(sys.executable).with_name("windsock"))
_LOST = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

_ROOM = "SELECT count(*) < 6 FROM dag_run WHERE dag_id = 'storm' AND state = 'running'"
# Those under way more often than others.
_SOME = "SELECT run_id FROM dag_run WHERE dag_id = 'storm' ORDER BY (state = 'running') DESC, random() LIMIT 8"
_LEFT = """
SELECT EXISTS (SELECT FROM dag_run WHERE state = 'running') OR EXISTS (SELECT FROM windsock_ending)
    OR EXISTS (SELECT FROM dag WHERE next_dagrun IS NOT NULL OR windsock_scheduled_hash IS NULL)
"""


@dataclass
class Outcome:
    """What was killed or steered, the runs that were triggered or scheduled, and what should not have happened."""

    killed: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    scheduled: int = 0
    lost_tries: int = 0
    problems: list[str] = field(default_factory=list)


class Storm:
    """A cluster, three schedulers, and a hand that kills them."""

    def __init__(self, folder: Path, seed: int, *, steers: bool) -> None:
        self.folder = folder
        self.steers = steers
        self.random = random.Random(seed)  # noqa: S311 - a test that can be repeated
        self.outcome = Outcome()
        (folder / "cluster").mkdir()
        self.postgres = EmbeddedPostgres(folder / "cluster")
        self.schedulers: list[Process] = []
        self.bench: Bench
        self.metadata: Metadata

    async def run(self, seconds: float) -> Outcome:
        """Kill for so long, then let all runs come to their end."""
        await self.postgres.start()
        guard = asyncio.create_task(self.postgres.keep_running())
        try:
            await initdb(Dsn.parse(self.postgres.dsn))
            async with (
                bench(self.postgres.dsn, self.folder) as self.bench,
                open_metadata(self.bench.config) as self.metadata,
            ):
                await self.bench.pool.execute("INSERT INTO slot_pool (pool, slots) VALUES ('narrow', 5)")
                (self.bench.dags_folder / "poison.py").write_text(POISON)
                scheduled = scheduled_dags(datetime.now(UTC), seconds)
                await self.bench.load(dags_of_a_storm(self.folder, scheduled))
                self.schedulers = [await self._scheduler() for _ in range(3)]
                try:
                    await self._kill_for(seconds)
                    await self._until_done(120)
                finally:
                    for process in self.schedulers:
                        await self._stop(process)
                await self._judge(scheduled)
        finally:
            guard.cancel()
            await self.postgres.stop()
        return self.outcome

    async def _scheduler(self) -> Process:
        with (self.folder / "schedulers.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                WINDSOCK, "scheduler", stdout=log, stderr=log, env={**os.environ, **self._environment()}
            )

    def _environment(self) -> dict[str, str]:
        options = {
            "sql_alchemy_conn": self.postgres.dsn,
            "base_log_folder": str(self.bench.log_folder),
            "dags_folder": str(self.bench.dags_folder),
            "scheduler_heartbeat_sec": "0.5",
            "scheduler_zombie_task_threshold": "1.5",
            "killed_task_cleanup_time": "1.5",
            "log_level": "WARNING",
        }
        return {f"AIRFLOW__WINDSOCK__{name.upper()}": value for name, value in options.items()}

    async def _kill_for(self, seconds: float) -> None:
        end, n = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            with suppress(*_LOST):
                if await self.bench.pool.fetchval(_ROOM):
                    # A trigger whose answer was lost may have been written all the same: its date is not used again.
                    n += 1
                    await self.bench.trigger("storm", n)
            await asyncio.sleep(self.random.uniform(0.05, 0.5))
            kinds, weights = ["nothing", "scheduler", "task", "postgres", "stopped"], [12, 2, 12, 1, 1]
            steering = (["steer"], [9]) if self.steers else ([], [])
            kind = self.random.choices(kinds + steering[0], weights + steering[1])[0]
            await (self._steer() if kind == "steer" else getattr(self, f"_kill_{kind}")())

    async def _kill_nothing(self) -> None:
        return

    async def _kill_scheduler(self) -> None:
        place = self.random.randrange(len(self.schedulers))
        process = self.schedulers[place]
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        self.outcome.killed["scheduler"] += 1
        self.schedulers[place] = await self._scheduler()

    async def _kill_stopped(self) -> None:
        """Stop a scheduler, for longer than the others wait for it or not, and let it go on."""
        process = self.random.choice(self.schedulers)
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGSTOP)
            self.outcome.killed["stopped"] += 1
            await asyncio.sleep(self.random.uniform(0.1, 4))
            process.send_signal(signal.SIGCONT)

    async def _kill_task(self) -> None:
        with suppress(*_LOST, ProcessLookupError):
            pids = [row[0] for row in await self.bench.pool.fetch(
                "SELECT pid FROM task_instance WHERE state = 'running' AND pid IS NOT NULL"
            )]  # fmt: skip
            if pids and (pid := self.random.choice(pids)) and _is_task(pid):
                os.kill(pid, signal.SIGKILL)
                self.outcome.killed["task"] += 1

    async def _kill_postgres(self) -> None:
        if self.postgres.pid is not None:
            os.kill(self.postgres.pid, signal.SIGKILL)
            self.outcome.killed["postgres"] += 1

    async def _steer(self) -> None:
        """Stop, mark, clear or delete a run, or mark a task of it."""
        steering = self.metadata.steering
        with suppress(*_LOST, WindsockError):
            runs = [RunId(row[0]) for row in await self.bench.pool.fetch(_SOME)]
            if not runs:
                return
            run, how = (
                self.random.choice(runs),
                self.random.choice(["mark", "clear", "clear", "clear", "task", "delete"]),
            )
            match how:
                case "mark":
                    await steering.set_run_state("storm", run, self.random.choice(["failed", "success"]))
                case "clear":
                    await steering.clear("storm", run, Clear(only_failed=self.random.random() < 1 / 3))
                case "task":
                    await steering.set_instance_state("storm", run, "work1", None, "success")
                case "delete":
                    await steering.delete_run("storm", run)
            self.outcome.killed[f"{how} by a caller"] += 1

    async def _until_done(self, patience: float) -> None:
        end = time.monotonic() + patience
        while time.monotonic() < end:
            for place, process in enumerate(self.schedulers):
                if process.returncode is not None:
                    self.schedulers[place] = await self._scheduler()
            with suppress(*_LOST):
                if not await self.bench.pool.fetchval(_LEFT):
                    return
            await asyncio.sleep(0.2)
        self.outcome.problems.append("runs are left running, or tries that somebody ended, or runs that were not made")

    async def _stop(self, process: Process) -> None:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()

    async def _judge(self, scheduled: Sequence[Scheduled]) -> None:
        out, pool = self.outcome, self.bench.pool
        states = "SELECT state, count(*) FROM dag_run WHERE external_trigger GROUP BY state"
        out.runs = Counter(dict(map(tuple, await pool.fetch(states))))
        out.scheduled = await pool.fetchval("SELECT count(*) FROM dag_run WHERE NOT external_trigger")
        out.problems += await wrong_runs(pool, scheduled)
        lost = "SELECT count(*) FROM witness WHERE old_state = 'running' AND new_state IN ('up_for_retry', 'failed')"
        out.lost_tries = await pool.fetchval(lost)
        out.problems += await self.bench.witnessed(steered=self.steers)
        if set(out.runs) - {"success", "failed"}:
            out.problems.append(f"states of runs: {dict(out.runs)}")
        wrong = await pool.fetch(
            "SELECT task_id, state, count(*) FROM task_instance"
            " WHERE state NOT IN ('success', 'failed', 'upstream_failed', 'skipped') OR state IS NULL"
            " GROUP BY task_id, state"
        )
        out.problems += [f"a task is left: {tuple(row)}" for row in wrong]
        out.problems += [f"a process is left: {pid}" for pid in _processes(b"WINDSOCK_TRY=", str(self.folder).encode())]
        doubled = self.folder / "doubled"
        if doubled.exists():
            out.problems += [f"two tries at once: {line}" for line in doubled.read_text().splitlines()]


def _is_task(pid: int) -> bool:
    return b"WINDSOCK_TRY=" in _environment(pid)


def _processes(*words: bytes) -> list[int]:
    """Those whose environment has all these words."""
    pids = [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]
    return [pid for pid in pids if all(word in _environment(pid) for word in words)]


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


async def storm(folder: Path, seconds: float, seed: int, *, steers: bool = False) -> Outcome:
    """Run a storm in an empty folder; if it `steers`, runs are also marked, cleared and deleted."""
    return await Storm(folder, seed, steers=steers).run(seconds)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a storm, say what came of it, and return 1 if that was not all well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--no-steering", action="store_true", help="leave runs as they are")
    given = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="windsock-chaos-"))
    print(f"seed {given.seed}, folder {folder}", flush=True)  # noqa: T201 - a script
    outcome = asyncio.run(storm(folder, given.minutes * 60, given.seed, steers=not given.no_steering))
    print(outcome)  # noqa: T201 - likewise
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
