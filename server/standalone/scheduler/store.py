"""The scheduler's statements about DAGs, runs and tasks.

Those about schedulers themselves are in `jobs`, those for callbacks of DAGs in `callback_facts`. Every other module
asks here, and none runs SQL of its own. A method without a connection is one step, committed as a whole or not at all.
"""

import getpass
import pickle
import socket
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg

from server.database.connections import Connection
from server.database.database import Database
from server.database.notices import ENDED_RUNS, TASK_LISTENERS, TASKS
from server.standalone.scheduler.graph import Node
from server.standalone.scheduler.states import State, TaskState, check_transition

# Advisory locks: of the scheduler that claims tasks, and of the one that begins runs. `jobs` has the first number.
CLAIM_LOCK, ADMISSION_LOCK = 0x77690002, 0x77690003
_NO_CONFIG = pickle.dumps({}, 4)
# Where statements say what becomes of tasks, and the lock that tells whether anybody listens.
_TELLS = TASKS, TASK_LISTENERS


Place = tuple[int, datetime, str, str]
"""A place in the queue of scheduled tasks: minus the priority, the date, dag_id and task_id."""


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


class NextRun(NamedTuple):
    """The next run of a schedule, as it was when it was looked at, and as it is to be."""

    dag_id: str
    dag_hash: str
    was_hash: str | None
    was_start: datetime | None
    was_after: str | None
    start: datetime | None
    end: datetime | None
    create_after: datetime | None
    """When it is to be made; None if there is none, or if other runs must end before."""
    due: datetime | None
    """The moment from which the runs that are made now may exist; None if there are none."""

    @property
    def still_waits(self) -> bool:
        """Whether it waited for other runs to end, and goes on to wait."""
        was, now = (self.was_hash, self.was_start, self.was_after), (self.dag_hash, self.start, self.create_after)
        return was == now and self.create_after is None and self.due is None


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

    async def versions(self, conn: Connection, dag_ids: Sequence[str]) -> dict[str, str]:
        """Return the version of each of these DAGs that is stored."""
        return {row["dag_id"]: row["version"] for row in await conn.fetch(self._sql["versions"], dag_ids)}

    async def documents(self, conn: Connection, dag_ids: Sequence[str], longest: int) -> list[asyncpg.Record]:
        """Return the rows of these DAGs: dag_id, version, last_updated, and `data`, None if it is longer than that."""
        return await conn.fetch(self._sql["serialized"], dag_ids, longest)

    async def document(self, dag_id: str, longest: int) -> asyncpg.Record | None:
        """Return the same of one DAG, None if it is not stored."""
        return await self.database.fetchrow("serialized", [dag_id], longest)

    async def sweep(self, waiting: int) -> list[int]:
        """Return the runs under way, and of each DAG the first `waiting` runs that have not begun."""
        return [row["id"] for row in await self.database.fetch("sweep", waiting)]

    async def due_schedules(self, number: int, without: Collection[str]) -> list[asyncpg.Record]:
        """Return DAGs whose schedule must be looked at, at most `number` of them and none of these."""
        return await self.database.fetch("due_schedules", number, list(without))

    async def seconds_until_due(self, since: datetime) -> tuple[float | None, datetime]:
        """Return after how many seconds the next run of a schedule is due, and the moment of this question.

        The seconds are None if there is none. What was due at `since`, the moment of the last question, does not count.
        """
        [row] = await self.database.fetch("seconds_until_due", since)
        return row["seconds"], row["moment"]

    async def make_runs(
        self, schedules: Sequence[NextRun], runs: Sequence[tuple[str, str, datetime, datetime]]
    ) -> list[asyncpg.Record]:
        """Make the runs of schedules (dag_id, run_id, data interval), and note which are next; return the new ones."""
        return await self.database.fetch("make_runs", *_columns(schedules, 9), *_columns(runs, 4))

    async def waiting_runs(self, dag_ids: Sequence[str], number: int) -> list[int]:
        """Return the first runs of these DAGs that have not begun."""
        return [row["id"] for row in await self.database.fetch("waiting_runs", dag_ids, number)]

    async def begun_runs(self, dag_ids: Sequence[str]) -> list[int]:
        """Return the runs of these DAGs that are under way."""
        return [row["id"] for row in await self.database.fetch("begun_runs", dag_ids)]

    async def busy_runs(self, run_ids: Sequence[int]) -> list[int]:
        """Return those of these runs that must still be looked at."""
        return [row["id"] for row in await self.database.fetch("busy_runs", run_ids)]

    async def lock_runs(self, conn: Connection, run_ids: Sequence[int]) -> list[asyncpg.Record]:
        """Lock those of the runs that nobody else has locked."""
        return await conn.fetch(self._sql["lock_runs"], run_ids)

    async def instances(self, conn: Connection, run_ids: Sequence[int]) -> dict[int, list[asyncpg.Record]]:
        """Return the rows of each run's tasks; [] if it has not begun."""
        return _by_run(run_ids, await conn.fetch(self._sql["instances"], run_ids))

    async def states_before(
        self, conn: Connection, run_ids: Sequence[int], by_schedule: Sequence[int]
    ) -> dict[int, list[asyncpg.Record]]:
        """Return the rows of the tasks of the run before each run; [] if there is none.

        For those runs that are `by_schedule` it is the one before that the schedule has made.
        """
        return _by_run(run_ids, await conn.fetch(self._sql["states_before"], run_ids, by_schedule))

    async def begun(self, conn: Connection, dag_ids: Sequence[str]) -> list[tuple[str, bool]]:
        """Return for each run under way its dag_id, and whether a backfill made it.

        Until the transaction ends, no other scheduler begins one.
        """
        await conn.fetch(self._sql["lock_admission"], ADMISSION_LOCK, dag_ids)
        rows = await conn.fetch(self._sql["begun_runs"], dag_ids)
        return [(row["dag_id"], row["is_backfill"]) for row in rows]

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
        await conn.execute(self._sql["create_instances"], *columns[:9], self.unixname, _NO_CONFIG, columns[9], *_TELLS)

    async def watch_slas(self, conn: Connection, slas: Sequence[tuple[Key, timedelta]]) -> None:
        """Let `slas` be looked after for new tasks, if a schedule has made their runs."""
        if slas:
            rows = ((*key, sla.total_seconds()) for key, sla in slas)
            await conn.execute(self._sql["watch_slas"], *_columns(rows, 4))

    async def move(self, conn: Connection, moves: Sequence[Move]) -> None:
        """Change states; a task that is no longer in the expected state stays as it is."""
        for move in moves:
            check_transition(move.before, move.after)
        if moves:
            rows = ((*key, before, after) for key, before, after in moves)
            await conn.execute(self._sql["move"], *_columns(rows, 5), *_TELLS)

    async def finish_runs(self, conn: Connection, states: Mapping[int, State]) -> None:
        """End runs."""
        if states:
            await conn.execute(self._sql["finish_runs"], list(states), list(states.values()), ENDED_RUNS)

    async def lock_claims(self, conn: Connection) -> list[str]:
        """Let no other scheduler claim tasks in this transaction; return the DAGs that have scheduled tasks."""
        await conn.fetch(self._sql["lock_claims"], CLAIM_LOCK)
        return [row["dag_id"] for row in await conn.fetch(self._sql["scheduled_dags"])]

    async def lock_pools(self, conn: Connection) -> dict[str, int]:
        """Return the slots of each pool, which nobody changes until the transaction ends."""
        return {row["pool"]: row["slots"] or 0 for row in await conn.fetch(self._sql["lock_pools"])}

    async def in_use(self, conn: Connection) -> list[asyncpg.Record]:
        """Return how many tasks are queued or run, and their slots, by DAG, task and pool."""
        return await conn.fetch(self._sql["in_use"])

    async def candidates(
        self, conn: Connection, pools: Sequence[str], full_dags: Sequence[str], after: Place, number: int
    ) -> list[asyncpg.Record]:
        """Return the next scheduled tasks after a place in the queue, in these pools and not of these DAGs."""
        return await conn.fetch(self._sql["candidates"], pools, full_dags, *after, number)

    async def queue(self, conn: Connection, job_id: int, tasks: Sequence[Key]) -> None:
        """Queue scheduled tasks for the scheduler of a job."""
        await conn.execute(self._sql["queue"], job_id, *_columns(tasks, 3), *_TELLS)

    async def own_tries(self, job_id: int) -> list[asyncpg.Record]:
        """Return all tries that run under a job, with what a try needs to know."""
        return await self.database.fetch("own_tries", job_id)

    async def note_pids(self, job_id: int, pids: Sequence[tuple[Key, int, int]]) -> None:
        """Write the process ids of tries: task, number of the try, process id."""
        columns = _columns(((*key, number, pid) for key, number, pid in pids), 5)
        await self.database.fetch("note_pids", job_id, *columns)

    async def xcoms(self, key: Key) -> list[asyncpg.Record]:
        """Return the results of the tasks of a task's run."""
        return await self.database.fetch("xcoms", key.dag_id, key.execution_date)

    async def endings(self, job_id: int) -> list[asyncpg.Record]:
        """Return the tries that were taken away from a job while they ran, and may still have processes."""
        return await self.database.fetch("endings", job_id)

    async def drop_endings(self, ids: Sequence[int]) -> None:
        """Note that these have no processes any more: their tasks may run again."""
        await self.database.fetch("drop_endings", ids)

    async def analyze(self) -> None:
        """Let the planner look at the tables anew."""
        await self.database.fetch("analyze")

    async def end_tries(self, job_id: int | None, tries: Sequence[Ended]) -> set[Key]:
        """Write how tries of `job_id` ended; return those that were still its own."""
        async with self.database.transaction() as conn:
            return await self.end_tries_in(conn, job_id, tries)

    async def end_tries_in(self, conn: Connection, job_id: int | None, tries: Sequence[Ended]) -> set[Key]:
        """Do the same as part of a transaction."""
        for ended in tries:
            check_transition(State.RUNNING, ended.state)
        await conn.fetch(self._sql["lock_dags"], sorted({ended.key.dag_id for ended in tries}), "on")
        columns = _columns(((*ended.key, ended.try_number, ended.state, ended.run) for ended in tries), 6)
        rows = await conn.fetch(self._sql["end_tries"], job_id, *columns, *_TELLS)
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
            await conn.fetch(self._sql["lock_dags"], sorted(set(dag_ids)), "off")
            await conn.fetch(self._sql["start_queued"], job_id, self.hostname, self.unixname, *_TELLS)


def _by_run(run_ids: Sequence[int], rows: Iterable[asyncpg.Record]) -> dict[int, list[asyncpg.Record]]:
    by_run: dict[int, list[asyncpg.Record]] = {run_id: [] for run_id in run_ids}
    for row in rows:
        by_run[row["run"]].append(row)
    return by_run
