"""The scheduler's view of the database: each method is one step, committed as a whole or not at all."""

import getpass
import pickle
import socket
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg

from server.database.connections import Connection
from server.database.database import Database
from server.standalone.scheduler.graph import Node
from server.standalone.scheduler.states import State, TaskState, check_transition

# Advisory locks: of a job while its process lives, of the scheduler that claims tasks, of the one that begins runs.
JOB_LOCK, CLAIM_LOCK, ADMISSION_LOCK = 0x77690001, 0x77690002, 0x77690003
_NO_CONFIG = pickle.dumps({}, 4)


class Key(NamedTuple):
    """A task of a run."""

    dag_id: str
    execution_date: datetime
    task_id: str


class Move(NamedTuple):
    """A task's transition from one state to another."""

    key: Key
    before: TaskState
    after: State


class Ended(NamedTuple):
    """How a try ended, and its results: JSON by key. `run` is None if somebody deleted it.

    `failed` is the state if the database refuses this, which means that the try has failed.
    """

    run: int | None
    key: Key
    try_number: int
    state: State
    xcoms: Mapping[str, bytes]
    failed: State = State.FAILED


def _columns(rows: Iterable[Sequence[object]], width: int) -> list[Sequence[object]]:
    columns: list[Sequence[object]] = list(zip(*rows, strict=True))
    return columns or [()] * width


class Store:
    """Statements on a connection pool. Methods that take a connection are parts of a transaction."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._sql = database.statements
        self.hostname = socket.gethostname()
        self.unixname = getpass.getuser()

    async def lock_runs(self, conn: Connection, run_ids: Sequence[int]) -> list[asyncpg.Record]:
        """Lock those of the runs that nobody else has locked."""
        return await conn.fetch(self._sql["lock_runs"], run_ids)

    async def instances(self, conn: Connection, run_ids: Sequence[int]) -> dict[int, list[asyncpg.Record]]:
        """Return the rows of each run's tasks; [] if it has not begun."""
        return _by_run(run_ids, await conn.fetch(self._sql["instances"], run_ids))

    async def states_before(self, conn: Connection, run_ids: Sequence[int]) -> dict[int, list[asyncpg.Record]]:
        """Return the rows of the tasks of the run before each run; [] if there is none."""
        return _by_run(run_ids, await conn.fetch(self._sql["states_before"], run_ids))

    async def begun(self, conn: Connection, dag_ids: Sequence[str]) -> list[str]:
        """Return the dag_id of each run under way; until the transaction ends, no other scheduler begins one."""
        await conn.fetch(self._sql["lock_admission"], ADMISSION_LOCK, dag_ids)
        return [row["dag_id"] for row in await conn.fetch(self._sql["begun_runs"], dag_ids)]

    async def create(self, conn: Connection, tasks: Sequence[tuple[str, datetime, Node, TaskState]]) -> None:
        """Insert tasks: dag_id, execution_date, the task, and its first state."""
        if not tasks:
            return
        rows = (
            (dag_id, date, node.task_id, state, node.retries, node.pool, node.pool_slots, node.queue,
             node.priority_weight, node.operator.name)
            for dag_id, date, node, state in tasks
        )  # fmt: skip
        columns = _columns(rows, 10)
        await conn.execute(self._sql["create_instances"], *columns[:9], self.unixname, _NO_CONFIG, columns[9])

    async def move(self, conn: Connection, moves: Sequence[Move]) -> None:
        """Change states; a task that is no longer in the expected state stays as it is."""
        for move in moves:
            check_transition(move.before, move.after)
        if moves:
            rows = ((*key, before, after) for key, before, after in moves)
            await conn.execute(self._sql["move"], *_columns(rows, 5))

    async def finish_runs(self, conn: Connection, states: Mapping[int, State]) -> None:
        """End runs."""
        if states:
            await conn.execute(self._sql["finish_runs"], list(states), list(states.values()))

    async def end_tries(self, job_id: int | None, tries: Sequence[Ended]) -> set[Key]:
        """Write how tries of `job_id` ended; return those that were still its own."""
        async with self.database.transaction() as conn:
            return await self.end_tries_in(conn, job_id, tries)

    async def end_tries_in(self, conn: Connection, job_id: int | None, tries: Sequence[Ended]) -> set[Key]:
        """Do the same as part of a transaction."""
        for ended in tries:
            check_transition(State.RUNNING, ended.state)
        await conn.fetch(self._sql["lock_dags"], sorted({ended.key.dag_id for ended in tries}))
        columns = _columns(((*ended.key, ended.try_number, ended.state, ended.run) for ended in tries), 6)
        rows = await conn.fetch(self._sql["finish"], job_id, *columns)
        own = [tries[row["place"]] for row in rows]
        failed = [ended.key for ended in own if ended.state in {State.FAILED, State.UP_FOR_RETRY}]
        if failed:
            await conn.execute(self._sql["put_task_fails"], *_columns(failed, 3))
        kept = [(*ended.key, name, value) for ended in own for name, value in ended.xcoms.items()]
        if kept or any(ended.try_number > 1 for ended in own):
            await conn.execute(self._sql["drop_xcoms"], *_columns([ended.key for ended in own], 3))
        if kept:
            await conn.execute(self._sql["put_xcoms"], *_columns(kept, 5))
        return {ended.key for ended in own}

    async def start_queued(self, job_id: int, dag_ids: Sequence[str]) -> None:
        """Begin the next try of all tasks that this scheduler has queued."""
        async with self.database.transaction() as conn:
            await conn.fetch(self._sql["lock_dags"], sorted(set(dag_ids)))
            await conn.fetch(self._sql["start"], job_id, self.hostname, self.unixname)


def _by_run(run_ids: Sequence[int], rows: Iterable[asyncpg.Record]) -> dict[int, list[asyncpg.Record]]:
    by_run: dict[int, list[asyncpg.Record]] = {run_id: [] for run_id in run_ids}
    for row in rows:
        by_run[row["run"]].append(row)
    return by_run
