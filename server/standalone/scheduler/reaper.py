"""The reaper: ends a dead scheduler's tasks, and tries them again or fails them; none is lost or doubled.

`scheduler` calls it with each heartbeat. Airflow calls such tasks zombies.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import asyncpg
import structlog

from server.database.connections import Connection
from server.standalone.scheduler.context import mark
from server.standalone.scheduler.jobs import Jobs
from server.standalone.scheduler.process_groups import kill_left
from server.standalone.scheduler.states import State, after_failure
from server.standalone.scheduler.store import Ended, Key, Move, Store
from server.task_logs.writing import NoLogError, log_folder, open_log

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Reaper:
    """Looks after the tasks of schedulers without a sign of life for `threshold` seconds."""

    def __init__(self, store: Store, jobs: Jobs, job_id: int, threshold: float, log_folder: Path) -> None:
        self._store = store
        self._jobs = jobs
        self._job_id = job_id
        self._threshold = threshold
        self._log_folder = log_folder

    async def reap(self) -> list[int]:
        """Take the tasks of dead schedulers away from them; return the runs that must be looked at."""
        runs: list[int] = []
        for job_id in await self._jobs.silent(self._job_id, self._threshold):
            runs += await self._take_over(job_id)
        return runs

    async def _take_over(self, job_id: int) -> list[int]:
        async with self._store.database.transaction() as conn:
            # A scheduler that is only slow, or that cannot write its heartbeat, still holds its lock.
            if not await self._jobs.lock_dead(conn, job_id):
                return []
            orphans = await self._jobs.orphans(conn, job_id)
            endings = await self._jobs.endings(conn, job_id)
            await self._end([*(row for row in orphans if row["state"] == State.RUNNING), *endings])
            await self._release(conn, orphans)
            await self._jobs.drop_endings(conn, [row["id"] for row in endings])
            await self._jobs.fail(conn, job_id)
        return [orphan["run"] for orphan in orphans if orphan["run"] is not None]

    async def _end(self, lost: Sequence[asyncpg.Record]) -> None:
        if lost:
            marks = [mark(row["home"], row["run"], _key(row), row["try_number"]) for row in lost]
            here = [row["pid"] for row in lost if row["pid"] and self._may_be_here(row)]
            await asyncio.to_thread(kill_left, marks, here)

    def _may_be_here(self, row: asyncpg.Record) -> bool:
        booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        began = row["start_date"]
        return bool(row["hostname"] == self._store.hostname and began and began.timestamp() > booted)

    async def _release(self, conn: Connection, orphans: Sequence[asyncpg.Record]) -> None:
        moves, lost = [], []
        for row in orphans:
            key = _key(row)
            if row["state"] == State.QUEUED:
                moves.append(Move(key, State.QUEUED, State.SCHEDULED))
                continue
            state = after_failure(row["try_number"] or 1, row["max_tries"] or 0)
            lost.append(Ended(row["run"], key, row["try_number"], state, {}))
            self._note(key, row["try_number"])
            _log.warning("a task was lost with its scheduler", dag_id=key.dag_id, task_id=key.task_id, now=str(state))
        await self._store.move(conn, moves)
        if lost:
            await self._store.end_tries_in(conn, orphans[0]["job_id"], lost)

    def _note(self, key: Key, try_number: int) -> None:
        with (
            suppress(OSError, NoLogError),
            open_log(log_folder(self._log_folder, key.dag_id, key.task_id, key.execution_date), try_number) as log,
        ):
            log.say("Failed: its scheduler died, so how it went on is not known")


def _key(row: asyncpg.Record) -> Key:
    return Key(row["dag_id"], row["execution_date"], row["task_id"])
