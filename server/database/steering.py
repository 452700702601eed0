"""Steers runs: stops or marks them, repeats their tasks, marks a task, deletes them; as Airflow's own commands do.

What cannot be done to a release's rows as that Airflow does it is refused with NotSupported.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar

import asyncpg
import msgspec

from server.database.dags import Dags
from server.database.database import Database
from server.database.held_run import USE_AIRFLOW, HeldInstance, HeldRun, known_tasks
from server.database.prepared import Graph
from server.database.settings import Settings
from server.errors import Conflict, Locked, NotFound, NotSupported
from server.wire.run_names import RunName, in_words
from server.wire.steering import Clear
from windsock.protocol import Code

T = TypeVar("T")
_ATTEMPTS = 5
_FAILURES = frozenset({"failed", "upstream_failed"})


class Named(msgspec.Struct, frozen=True):
    """A task instance that was steered, with the state that it had before; `map_index` is -1 unless it is mapped."""

    task_id: str
    map_index: int
    state: str | None


class Steered(msgspec.Struct, frozen=True):
    """A run whose state was set, or one of whose tasks was marked: its state now, and the instances that changed."""

    dag_id: str
    execution_date: str | None
    """In ISO 8601; None for a run without a date (Airflow 3)."""
    run_id: str
    state: str | None
    task_instances: Sequence[Named]


class Cleared(msgspec.Struct, frozen=True):
    """A run and its task instances that were cleared, or with `dry_run` would be, in the states that they had."""

    dag_id: str
    execution_date: str | None
    run_id: str
    dry_run: bool
    state: str | None
    task_instances: Sequence[Named]


class Deleted(msgspec.Struct, frozen=True):
    """A run that was deleted; `count` is the number of rows."""

    dag_id: str
    execution_date: str | None
    run_id: str
    count: int


class Steering:
    """Changes the rows of runs and of what belongs to them, each request in one transaction.

    Every method raises NotFound for the DAG, the run or a task; Conflict if the DAG, or what is stored of it, does not
    allow it; NotSupported if it cannot be done safely beside this Airflow; and Locked if others hold the rows.
    """

    def __init__(self, database: Database, settings: Settings, dags: Dags) -> None:
        """Steer the runs of `database`, whose DAGs are `dags`."""
        self._database = database
        self._settings = settings
        self._dags = dags

    async def set_run_state(self, dag_id: str, run: RunName, state: str) -> Steered:
        """Stop a run (`failed`), or mark it as a `success`; its tasks that are under way are ended.

        Tasks that clean up (teardown) are left to run, and the run with them, as in Airflow.
        """

        async def change(held: HeldRun) -> Steered:
            after = {one: one.if_failed if state == "failed" else one.if_success for one in held.instances}
            cleaning = self._teardowns(held, state)
            changed = {one: new for one, new in after.items() if new is not None and one.task_id not in cleaning}
            await held.set_states(changed)
            if all(one.if_failed is None for one in held.instances if one.task_id in cleaning):
                await held.end(state)
            return _steered(held, changed)

        return await self._steer(dag_id, run, change)

    async def clear(self, dag_id: str, run: RunName, asked: Clear) -> Cleared:
        """Repeat task instances of a run, which is under way again then; `dry_run` changes nothing."""

        async def change(held: HeldRun) -> Cleared:
            chosen = _chosen(held, asked)
            await held.require_clearable(chosen)
            if not asked.dry_run:
                await held.clear(chosen)
            return Cleared(*held.names, asked.dry_run, held.state, _named(chosen))

        return await self._steer(dag_id, run, change)

    async def set_instance_state(
        self, dag_id: str, run: RunName, task_id: str, map_index: int | None, state: str
    ) -> Steered:
        """Mark a task of a run as `failed` or `success`; for `map_index` None, all its instances.

        What is downstream and failed is cleared, as Airflow 2 and 3 do.
        """

        async def change(held: HeldRun) -> Steered:
            marked = [one for one in held.instances if one.task_id == task_id and map_index in {None, one.map_index}]
            if not marked:
                index = "" if map_index is None else f" with map_index {map_index}"
                missing = f"Task {task_id}{index} has no instance in the run for {in_words(run)} of dag {dag_id}"
                raise NotFound(missing, Code.TASK_INSTANCE_NOT_FOUND)
            changed = {one: state for one in marked if one.state != state}
            await held.set_states(changed)
            if self._settings.generation.resumes_below_marked:
                below = _below(held, [task_id]) - {task_id}
                stopped = [one for one in held.instances if one.task_id in below and one.state in _FAILURES]
                await held.require_clearable(stopped)
                await held.clear(stopped)
            return _steered(held, changed)

        return await self._steer(dag_id, run, change)

    async def delete_run(self, dag_id: str, run: RunName) -> Deleted:
        """Delete a run, with everything that belongs to it; beside Airflow 3 raises Conflict for one that runs."""

        async def change(held: HeldRun) -> Deleted:
            if self._settings.generation.tasks_use_api and held.state not in {"queued", "success", "failed"}:
                running = f"Dag Run for {in_words(run)} of dag {dag_id} is {held.state}: stop it before it is deleted"
                raise Conflict(running, Code.RUN_IS_RUNNING)
            return Deleted(*held.names, await held.delete())

        return await self._steer(dag_id, run, change)

    async def _steer(self, dag_id: str, run: RunName, change: Callable[[HeldRun], Awaitable[T]]) -> T:
        """Hold the run and change it, in one transaction."""
        for attempt in range(1, _ATTEMPTS + 1):
            dag = await self._dags.get(dag_id)
            try:
                async with self._database.transaction() as connection:
                    held = await HeldRun.hold(self._database, connection, dag, run)
                    if held is not None:
                        done = await change(held)
                        await held.announce()
                        return done
            except Locked as error:
                # Somebody locked the rows in another order; his transaction went on meanwhile.
                if attempt == _ATTEMPTS or not isinstance(error.__cause__, asyncpg.DeadlockDetectedError):
                    raise
            except asyncpg.DataError as error:
                odd = f"What is stored of this run of dag {dag_id}, or of its tasks, is not as Airflow writes it"
                raise Conflict(odd, Code.DAG_NOT_READABLE) from error
            self._dags.forget(dag_id)
        raise Conflict(f"Dag {dag_id} keeps changing; try again", Code.DAG_CHANGES)

    def _teardowns(self, held: HeldRun, state: str) -> AbstractSet[str]:
        """Return the tasks that clean up, which Airflow leaves to run; raises NotSupported if it would do more."""
        makes_instances = self._settings.generation.marking_makes_instances and state == "success"
        if held.dag.serialized is None and not makes_instances:
            return frozenset()
        teardowns = frozenset(_graph(held).teardowns)
        if teardowns and state == "success":
            raise NotSupported(f"Dag {held.dag.dag_id} has teardown tasks, of which Airflow decides; {USE_AIRFLOW}")
        missing = known_tasks(held.dag).tasks.keys() - {one.task_id for one in held.instances}
        if missing and makes_instances:
            unmade = f"Task {min(missing)} has no instance in this run yet; wait for the scheduler, or {USE_AIRFLOW}"
            raise NotSupported(unmade)
        return teardowns


def _graph(held: HeldRun) -> Graph:
    """Return how the tasks of the run depend on each other; raises NotSupported, or Conflict if it cannot be read."""
    known = known_tasks(held.dag)
    if held.row["is_of_another_version"]:
        raise NotSupported(f"This run has another version of dag {held.dag.dag_id} than the newest; {USE_AIRFLOW}")
    if not known.graph:
        raise Conflict(f"Dag {held.dag.dag_id} is not serialized as Airflow does it", Code.DAG_NOT_READABLE)
    return msgspec.msgpack.decode(known.graph, type=Graph)


def _below(held: HeldRun, task_ids: Iterable[str]) -> AbstractSet[str]:
    """Return these tasks and those downstream of them; raises NotSupported if setup or teardown tasks come along."""
    graph = _graph(held)
    if graph.setups or graph.teardowns:
        raise NotSupported(
            f"Dag {held.dag.dag_id} has setup or teardown tasks, which are cleared with others; clear all tasks,"
            f" or {USE_AIRFLOW}"
        )
    return graph.below(task_ids)


def _chosen(held: HeldRun, asked: Clear) -> list[HeldInstance]:
    """Return the instances that are to be cleared; raises NotFound for a task that neither DAG nor run has."""
    _graph(held)
    chosen = held.instances
    if asked.task_ids is not None:
        wanted: AbstractSet[str] = set(asked.task_ids)
        unknown = wanted - known_tasks(held.dag).tasks.keys() - {one.task_id for one in chosen}
        if unknown:
            raise NotFound(f"Task {min(unknown)} not found in dag {held.dag.dag_id}", Code.TASK_NOT_FOUND)
        below = _below(held, wanted)
        wanted = below if asked.downstream else wanted
        chosen = [one for one in chosen if one.task_id in wanted]
    return [one for one in chosen if not asked.only_failed or one.state in _FAILURES]


def _named(instances: Iterable[HeldInstance]) -> list[Named]:
    return [Named(one.task_id, one.map_index, one.state) for one in instances]


def _steered(held: HeldRun, changed: Iterable[HeldInstance]) -> Steered:
    return Steered(*held.names, held.state, _named(changed))
