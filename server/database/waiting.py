"""Why tasks do not begin: finds out what they may wait for, for one task or for all tasks of a run at once."""

from typing import NamedTuple

from server.database.dag import Dag
from server.database.database import Database
from server.database.planned import PlannedTasks
from server.database.reasons import UNFINISHED_RUN, WAITING, Facts, Instance, Limits, Reasons
from server.database.run_states import missing_run
from server.database.scheduler_health import SchedulerHealth
from server.database.settings import Settings
from server.wire.run_names import RunId, RunName


class _Asked(NamedTuple):
    """The arguments of the statement `waiting_facts` after the run."""

    pools: list[str]
    upstream: list[str]
    limited: list[str]
    dependent: list[str]


class Waiting:
    """Finds out what tasks wait for."""

    def __init__(self, database: Database, settings: Settings, scheduler: SchedulerHealth) -> None:
        """Read the tables of `database`."""
        self._database = database
        self._scheduler = scheduler
        self._limits = Limits(
            max_active_runs=settings.max_active_runs,
            max_active_tasks=settings.max_active_tasks,
            parallelism=settings.parallelism if settings.standalone else 0,
        )

    async def reasons(self, dag: Dag, run: RunName, task_id: str, *, shows_totals: bool = True) -> list[str]:
        """Return what a task of a run waits for, as a list of texts; empty if it has begun or is done.

        Without `shows_totals` no text says how many slots the pool has, or how many tasks of all DAGs are running.
        Raises NotFound for the task and the run, and Unavailable if it takes more than 2 seconds to find out.
        """
        needs = dag.task(task_id).needs
        name, by = ("waiting_instance_by_id", run.run_id) if isinstance(run, RunId) else ("waiting_instance", run)
        found = await self._database.fetchrow(name, dag.dag_id, by, task_id)
        if found is None:
            raise missing_run(dag.dag_id, run)
        if found["state"] not in WAITING or found["run_state"] not in UNFINISHED_RUN:
            return []
        instance = Instance(task_id, found["state"], found["pool"], found["pool_slots"])
        asked = _Asked(
            [instance.pool_of(needs)],
            needs.upstream,
            [task_id] if needs.concurrency else [],
            [task_id] if needs.depends_on_past else [],
        )
        reasons = await self._read(dag, found["id"], asked, shows_totals=shows_totals)
        if reasons is None:
            raise missing_run(dag.dag_id, run)
        return reasons.of(instance, needs)

    async def of_run(self, dag: Dag, run: int, planned: PlannedTasks, *, shows_totals: bool) -> Reasons | None:
        """Find out, once for all tasks of the run with this `id`, what they may wait for; None if the run is gone.

        Raises Unavailable if it takes more than 2 seconds.
        """
        asked = _Asked(planned.pools, planned.upstream, planned.limited, planned.dependent)
        return await self._read(dag, run, asked, shows_totals=shows_totals)

    async def _read(self, dag: Dag, run: int, asked: _Asked, *, shows_totals: bool) -> Reasons | None:
        statements = self._database.statements
        async with self._database.transaction() as connection:
            await connection.execute(statements["bound_counting"])
            row = await connection.fetchrow(statements["waiting_facts"], run, *asked)
        if row is None:
            return None
        alive = (await self._scheduler.heartbeat()).alive
        return Reasons(dag, Facts.of(row), self._limits, is_alive=alive, shows_totals=shows_totals)
