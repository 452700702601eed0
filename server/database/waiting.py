"""Why a task does not begin: finds out what it waits for, and says so in words."""

from collections.abc import Iterator

import asyncpg

from server.database.dag import Dag
from server.database.database import Database
from server.database.prepared import PreparedTask
from server.database.run_states import missing_run
from server.database.scheduler_health import SchedulerHealth
from server.database.settings import Settings
from server.wire.run_names import RunId, RunName
from windsock.text import count

WAITING = frozenset({None, "scheduled", "queued", "up_for_retry", "up_for_reschedule"})
"""The states of a task that waits for its first try or its next one."""
_UNFINISHED = frozenset({"queued", "running"})
_GOOD = frozenset({"success", "skipped"})
_SHOWN = 5


class Waiting:
    """Finds out what tasks wait for."""

    def __init__(self, database: Database, settings: Settings, scheduler: SchedulerHealth) -> None:
        """Read the tables of `database`."""
        self._database = database
        self._settings = settings
        self._scheduler = scheduler

    async def reasons(self, dag: Dag, run: RunName, task_id: str, *, shows_totals: bool = True) -> list[str]:
        """Return what a task of a run waits for, as a list of texts; empty if it has begun or is done.

        Without `shows_totals` no text says how many slots the pool has, or how many tasks of all DAGs are running.
        Raises NotFound for the task and the run, and Unavailable if it takes more than 2 seconds to find out.
        """
        task = dag.task(task_id)
        name, by = ("waiting_facts_by_id", run.run_id) if isinstance(run, RunId) else ("waiting_facts", run)
        statements = self._database.statements
        async with self._database.transaction() as connection:
            await connection.execute(statements["bound_counting"])
            facts = await connection.fetchrow(
                statements[name], dag.dag_id, by, task_id, task.needs.pool, task.needs.upstream
            )
        if facts is None:
            raise missing_run(dag.dag_id, run)
        if facts["state"] not in WAITING or facts["run_state"] not in _UNFINISHED:
            return []
        alive = (await self._scheduler.heartbeat()).alive
        return [
            *([] if alive else ["no scheduler is alive"]),
            *self._explain(dag, task, facts, shows_totals=shows_totals),
        ]

    def _explain(self, dag: Dag, task: PreparedTask, facts: asyncpg.Record, *, shows_totals: bool) -> Iterator[str]:
        if facts["is_paused"]:
            yield "its DAG is paused"
        if facts["is_early"]:
            yield f"its run starts at {facts['starts']}, in the future"
        elif not facts["begun"]:
            yield from self._limit_of_runs(dag, facts)
        state = facts["state"]
        if state is None:
            yield from _earlier_tasks(task, facts)
        if state == "up_for_retry":
            yield "it failed, and is tried again after its retry_delay"
        if state == "up_for_reschedule":
            yield "it looks again later whether it can go on"
        if state == "queued":
            yield "it is queued, and a worker has to take it"
        else:
            pool = _pool(task, facts)
            if pool is not None:
                yield pool if shows_totals else f"its pool {facts['pool']} has no room for it"
            yield from self._limits(dag, task, facts)
            if self._settings.standalone and facts["state"] == "scheduled":
                yield from self._limit_of_all_tasks(facts, shows_totals=shows_totals)

    def _limit_of_runs(self, dag: Dag, facts: asyncpg.Record) -> Iterator[str]:
        own = dag.serialized.max_active_runs if dag.serialized else None
        limit = facts["max_active_runs"] or own or self._settings.max_active_runs
        if facts["active_runs"] >= limit:
            runs = facts["active_runs"]
            yield f"its DAG has {count(runs, 'run')} under way, and max_active_runs is {limit}"

    def _limits(self, dag: Dag, task: PreparedTask, facts: asyncpg.Record) -> Iterator[str]:
        if facts["state"] != "scheduled":
            return
        own = dag.serialized.max_active_tasks if dag.serialized else None
        limit = facts["max_active_tasks"] or own or self._settings.max_active_tasks
        if facts["dag_tasks"] >= limit:
            running = count(facts["dag_tasks"], "running task")
            yield f"its DAG has {running}, and its limit (concurrency, max_active_tasks) is {limit}"
        if task.needs.concurrency and facts["same_tasks"] >= task.needs.concurrency:
            running = count(facts["same_tasks"], "running instance")
            yield f"it has {running}, and its task_concurrency is {task.needs.concurrency}"

    def _limit_of_all_tasks(self, facts: asyncpg.Record, *, shows_totals: bool) -> Iterator[str]:
        if 0 < self._settings.parallelism <= facts["tasks"]:
            running = count(facts["tasks"], "running task")
            there_are = f"there are {running}, and parallelism is {self._settings.parallelism}"
            yield there_are if shows_totals else "as many tasks are running as parallelism allows"


def _earlier_tasks(task: PreparedTask, facts: asyncpg.Record) -> Iterator[str]:
    """Yield what the task waits for in its own run, and in the run before."""
    unfinished = facts["unfinished"]
    if unfinished:
        more = ", ..." if len(unfinished) > _SHOWN else ""
        yield f"not yet done before it: {', '.join(unfinished[:_SHOWN])}{more}"
    # It does not wait for a previous run that has ended without the task.
    has_task = facts["state_before"] is not None or facts["run_before"] in _UNFINISHED
    if task.needs.depends_on_past and has_task and facts["state_before"] not in _GOOD:
        yield f"it depends on the past, and in the run before, of {facts['before']}, it is {facts['state_before']}"


def _pool(task: PreparedTask, facts: asyncpg.Record) -> str | None:
    """Return why the task waits for its pool; None if it does not."""
    pool, slots, wanted = facts["pool"], facts["slots"], facts["wanted_slots"] or task.needs.pool_slots
    if pool is None or slots == -1:
        return None
    if slots is None:
        return f"its pool {pool} does not exist"
    if wanted > slots:
        return f"it takes {count(wanted, 'slot')} of its pool {pool}, which has {slots}"
    if facts["state"] == "scheduled" and facts["used_slots"] + wanted > slots:
        return f"its pool {pool} is full: {facts['used_slots']} of {slots} slots are taken"
    return None
