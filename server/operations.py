"""What the API does, for both of its doors: the HTTP handlers, and the client that works straight on the database.

A door reads what its caller sent, calls one operation, and hands out what that returns. The path comes first: its ids
and dates are checked before the query and the body are read, in Airflow's order: date, DAG, task. What Postgres, or the
process that reads DAGs, has written as JSON is a `Raw`: HTTP sends it as it is, and only a Python caller decodes it.
"""

from collections.abc import Awaitable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, TypeVar

from msgspec import Raw

from server import wire
from server.database.event_log import Follower
from server.database.metadata import Metadata
from server.database.pools import Pool
from server.database.scheduler_health import Heartbeat
from server.database.steering import Cleared, Deleted, Steered
from server.errors import BadRequest, NotFound, PermissionMissing, Restricted
from server.overviews import Listing, Overviews
from server.task_logs.reading import LogFile, local_log
from server.task_logs.writing import NoLogError
from server.wire import (
    Clear,
    DagDetails,
    DagRunsQuery,
    Found,
    NamedRun,
    NextRunsQuery,
    Page,
    PoolRequest,
    RunDetails,
    RunName,
    TaskInstance,
    Trigger,
)
from server.wire.dag_patterns import Readable
from server.wire.dates import timezone_of
from windsock.config import Config
from windsock.protocol import Code

Done = TypeVar("Done")


class RunKey(NamedTuple):
    """What a caller names a run by, checked."""

    dag_id: str
    run: RunName


class InstanceKey(NamedTuple):
    """What a caller names a task instance by, checked."""

    dag_id: str
    run: RunName
    task_id: str


class Operations(Overviews):
    """The operations, on one database. Each raises what the API answers as an error: a WindsockError."""

    def __init__(self, metadata: Metadata, config: Config) -> None:
        """Work on `metadata`; dates without an offset are in the time zone that `config` names."""
        super().__init__(metadata)
        self._logs = config.base_log_folder
        self._wait_limit = config.wait_limit
        self.timezone = timezone_of(config.default_timezone)

    def instance(self, dag_id: str, execution_date: str, task_id: str) -> InstanceKey:
        """Check what a task instance is named by, before anything else that its caller sent is read."""
        run = wire.parse_run(execution_date, self.timezone)
        return InstanceKey(wire.check_id(dag_id, "dag_id"), run, wire.check_id(task_id, "task_id"))

    def trigger(self, dag_id: str, asked: Trigger, user: str | None) -> Awaitable[Trigger]:
        """Make a run, and those of its sub-DAGs, for `user` (None: unknown); return it as it was made."""
        return self.metadata.dag_runs.trigger(wire.check_id(dag_id, "dag_id"), asked, user)

    async def list_runs(self, dag_id: str, query: DagRunsQuery) -> Listing:
        """List runs by execution_date. For an unknown DAG the first page raises BadRequest, as Airflow does."""
        runs, checked = self.metadata.dag_runs, wire.check_id(dag_id, "dag_id")
        total = await runs.count(checked, query) if query.page.partial else None
        return Listing(runs.pages(checked, query), total)

    async def latest_runs(self, readable: Readable | None, *, details: bool = False) -> Raw:
        """Return the newest run of each DAG that is `readable` (None: of all): `{"items": [...]}`."""
        return await self.metadata.dag_runs.latest(readable, with_states=details)

    async def unfinished_runs(self, readable: Readable | None) -> Raw:
        """Return the runs under way of all DAGs that are `readable` (None: of all), as a list of objects."""
        return await self.metadata.dag_runs.unfinished(readable)

    def run(self, dag_id: str, execution_date: str) -> RunKey:
        """Check what a run is named by; `execution_date` may also be `run_id=` and its run_id, here and below."""
        run = wire.parse_run(execution_date, self.timezone)
        return RunKey(wire.check_id(dag_id, "dag_id"), run)

    def run_state(self, run: RunKey, wait: float = 0) -> Awaitable[str | None]:
        """Return the state of a run: as soon as it has ended, or after `wait` seconds (at most `wait_limit`)."""
        states = self.metadata.run_states
        return states.state_at_end(*run, min(wait, self._wait_limit)) if wait else states.state(*run)

    async def states_of_runs(self, runs: Sequence[NamedRun], wait: float = 0) -> list[Found]:
        """Return what is known of each run: once all have ended, or after `wait` seconds (at most `wait_limit`)."""
        keys = tuple(dict.fromkeys(run.key for run in runs if run.key is not None))
        states = self.metadata.run_states
        with states.room_for_list(len(runs)):
            found = await states.states(keys, min(wait, self._wait_limit)) if keys else ()
        known = dict(zip(keys, found, strict=True))
        return [run.error if run.key is None else known[run.key] for run in runs]

    async def run_details(self, run: RunKey, wait: float = 0, *, shows_tasks: bool = True) -> RunDetails:
        """Return all about a run; how it waits, see `run_state`."""
        if wait:
            await self.run_state(run, wait)
        return await self.metadata.details.run(*run, shows_tasks=shows_tasks)

    async def set_run_state(self, run: RunKey, state: str) -> Steered:
        """Mark a run as `failed` or `success`; its tasks that are under way are ended."""
        return await self._steered(self.metadata.steering.set_run_state(*run, wire.check_mark(state)))

    async def clear(self, run: RunKey, asked: Clear) -> Cleared:
        """Repeat tasks of a run, or with `dry_run` say which ones."""
        return await self._steered(self.metadata.steering.clear(*run, asked))

    async def set_instance_state(self, instance: InstanceKey, map_index: int | None, state: str) -> Steered:
        """Mark a task of a run as `failed` or `success`: all its instances, or the one with `map_index`."""
        steering = self.metadata.steering
        return await self._steered(steering.set_instance_state(*instance, map_index, wire.check_mark(state)))

    async def delete_run(self, run: RunKey) -> Deleted:
        """Delete every row of a run."""
        return await self._steered(self.metadata.steering.delete_run(*run))

    async def _steered(self, steering: Awaitable[Done]) -> Done:
        """Do it, and let those who wait for runs learn of it now."""
        done = await steering
        self.metadata.run_watch.look_now()
        return done

    def follow_events(self, last_id: str | None) -> AbstractAsyncContextManager[Follower]:
        """Follow the events after `last_id`, and from now on; entering it raises Unavailable."""
        return self.metadata.run_watch.follow(last_id)

    def stop_waiting(self) -> None:
        """Answer now all who wait for runs, with what is known."""
        self.metadata.run_watch.stop()

    async def root(self, dag_id: str) -> str:
        """Return the id of the DAG whose permissions count for this one; the id itself may be nonsense."""
        try:
            checked = wire.check_id(dag_id, "dag_id")
        except BadRequest:
            return dag_id
        return await self.metadata.dags.readable.root(checked)

    async def roots(self, dag_ids: Iterable[str]) -> dict[str, str]:
        """Return the same for each of these ids, which are checked already."""
        return await self.metadata.dags.readable.roots(dag_ids)

    async def dag_details(
        self,
        dag_id: str,
        readable: Readable | None,
        next_runs: NextRunsQuery | None = None,
        *,
        shows_errors: bool = True,
        shows_runs: bool = True,
    ) -> DagDetails:
        """Return all about a DAG; why its file cannot be loaded only if all DAGs in it are `readable` (None: all)."""
        checked = wire.check_id(dag_id, "dag_id")
        details = await self.metadata.details.dag(checked, readable, shows_errors=shows_errors, shows_runs=shows_runs)
        if next_runs is not None:
            await self.metadata.schedules.add_to(details, next_runs)
        return details

    async def code(self, dag_id: str, readable: Readable | None) -> str:
        """Return the source of the DAG's file; raises PermissionMissing unless its DAGs are `readable` (None: all)."""
        dags, checked = self.metadata.dags, wire.check_id(dag_id, "dag_id")
        source = await dags.code(checked)
        if readable is not None and not await dags.readable.is_whole_file(checked, readable):
            raise PermissionMissing("can_read on all DAGs in the file")
        return source

    async def is_paused(self, dag_id: str) -> bool | None:
        """Whether the DAG is paused; None if its row does not say."""
        return await self.metadata.dags.is_paused(wire.check_id(dag_id, "dag_id"))

    async def pause(self, dag_id: str, *, is_paused: bool) -> None:
        """Pause or unpause the DAG and its sub-DAGs."""
        await self.metadata.dags.pause(wire.check_id(dag_id, "dag_id"), is_paused=is_paused)

    async def delete_dag(self, dag_id: str) -> int:
        """Delete every row of the DAG and its sub-DAGs; return how many there were."""
        return await self.metadata.dags.delete(wire.check_id(dag_id, "dag_id"))

    async def list_import_errors(self, page: Page, readable: Readable | None) -> Listing:
        """List the DAG files that could not be loaded, by name: those with a DAG that is `readable` (None: all)."""
        errors, dag_ids = self.metadata.import_errors, await self.dag_ids_of(readable)
        total = await errors.count(dag_ids) if page.partial else None
        return Listing(errors.pages(page.limit, page.offset, descending=page.descending, readable=dag_ids), total)

    async def task(self, dag_id: str, task_id: str) -> Raw:
        """Return a task: an object of its attributes, each as text."""
        checked, known_task = wire.check_id(dag_id, "dag_id"), wire.check_id(task_id, "task_id")
        dag = await self.metadata.dags.get(checked)
        return Raw(dag.task(known_task).answer)

    async def list_instances(self, run: RunKey, page: Page, *, shows_totals: bool = True) -> Listing:
        """List the task instances of a run by task_id and map_index, with what those wait for that do."""
        instances = self.metadata.run_instances
        found = await instances.find(*run, shows_totals=shows_totals)
        total = await instances.count(found) if page.partial else None
        return Listing(instances.pages(found, page), total)

    def task_instance(self, instance: InstanceKey, map_index: int | None = None) -> Awaitable[TaskInstance]:
        """Return a task instance; `map_index` chooses one of a mapped task."""
        return self.metadata.task_instances.get(*instance, map_index)

    async def waits_for(self, instance: InstanceKey, *, shows_totals: bool = True) -> list[str]:
        """Return what a task of a run waits for, in words; an empty list if it has begun or is done."""
        dag_id, run, task_id = instance
        dag = await self.metadata.dags.get(dag_id)
        return await self.metadata.waiting.reasons(dag, run, task_id, shows_totals=shows_totals)

    async def task_log(
        self, key: InstanceKey, try_number: int | None, map_index: int | None = None, *, shows_totals: bool = True
    ) -> LogFile:
        """Open the log of a try, by default of the last one; the caller closes it."""
        found = await self.metadata.task_instances.get(*key, map_index)
        try:
            if not self.metadata.standalone:
                return await self.metadata.airflow_logs.open(found, key.run, try_number)
            date = wire.parse_execution_date(found.execution_date, self.timezone)
            return await local_log(self._logs, key.dag_id, date, key.task_id, try_number)
        except NoLogError as error:
            missing = NotFound(str(error), Code.LOG_NOT_FOUND)
            if try_number is None and (waits_for := await self.waits_for(key, shows_totals=shows_totals)):
                why = f"; the task waits: {'; '.join(waits_for)}"
                missing.adding(Restricted(why, ("DAGs", "DAG Runs", "Task Instances"), of_the_dag=True))
            raise missing from error

    def pool(self, name: str) -> Awaitable[Pool]:
        """Return the pool of that name."""
        return self.metadata.pools.get(wire.parse_pool_name(name))

    @property
    def pool_name_limit(self) -> int:
        """How many characters the name of a pool may have in this database."""
        return self.metadata.pools.name_limit

    async def set_pool(self, asked: PoolRequest) -> Pool:
        """Create the pool, or change the one of that name; return it as it is now."""
        return await self.metadata.pools.set(asked.name, asked.slots, asked.description)

    async def create_pool(self, asked: PoolRequest) -> Pool | None:
        """Create the pool; None if there is one of that name, which stays as it is."""
        return await self.metadata.pools.create(asked.name, asked.slots, asked.description)

    async def change_pool(self, asked: PoolRequest) -> Pool | None:
        """Change the pool of that name; None if there is none."""
        return await self.metadata.pools.change(asked.name, asked.slots, asked.description)

    async def delete_pool(self, name: str) -> Pool:
        """Delete the pool, and return what it was."""
        return await self.metadata.pools.delete(wire.parse_pool_name(name))

    async def heartbeat(self) -> Heartbeat:
        """Return the newest sign of life of a scheduler."""
        return await self.metadata.scheduler_heartbeat()
