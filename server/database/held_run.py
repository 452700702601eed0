"""A run whose rows a transaction holds: nobody else changes them until it ends, and nothing of it is half done."""

import json
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, Self

import asyncpg
import msgspec

from server.database.connections import Connection
from server.database.dag import Dag
from server.database.database import Database
from server.database.deadlines import uuid7
from server.database.instances import Instance
from server.database.notices import ENDED_RUNS
from server.database.prepared import PreparedDag, PreparedTask
from server.database.run_states import missing_run
from server.errors import Conflict, NotSupported
from server.wire.run_names import RunId, RunName
from windsock.protocol import Code

STEERED_CHANNEL = "windsock_steered"
"""The schedulers of a standalone database listen on it; the payload is the id of a run whose tasks others changed."""
MOST_INSTANCES = 100_000
USE_AIRFLOW = "use Airflow's own command"
# The statements that clear instances, in this order; a release has those that it needs. One that runs is restarted
# last, because from then on it looks as if it did not run.
_BEFORE = ("end_tries", "keep_tries", "drop_reschedules")
_AFTER = ("restart_jobs", "restart_running")
_OF_RUN = ("trace_run", "move_deadlines", "pin_instances")


class HeldInstance(NamedTuple):
    """A task instance of the run."""

    task_id: str
    map_index: int
    state: str | None
    marks_others: bool
    """Whether it stands for tasks of other DAGs, which Airflow clears with it (ExternalTaskMarker)."""
    if_failed: str | None
    if_success: str | None
    """What its state becomes if the run's is set so; None if it stays."""


class HeldRun:
    """One run of a DAG with all its task instances, inside a transaction."""

    def __init__(self, database: Database, connection: Connection, dag: Dag, row: asyncpg.Record) -> None:
        """Change the run of that `row` of `steering.lock_run`."""
        self._statements = database.statements
        self._connection = connection
        self.dag = dag
        self.row = row
        self.state: str | None = row["state"]
        self.instances: Sequence[HeldInstance] = ()

    @classmethod
    async def hold(cls, database: Database, connection: Connection, dag: Dag, run: RunName) -> Self | None:
        """Lock the DAG, the run and its instances; None if the DAG is not the stored one any more.

        Raises NotFound for the run, and NotSupported if it has more than 100,000 instances.
        """
        statements = database.statements
        await connection.execute(statements["wait_for_locks"])
        stored = await connection.fetchrow(statements["steering.lock_dag"], dag.dag_id)
        await database.require_schema(connection)
        if stored is None or stored["version"] != dag.version:
            return None
        if stored["is_family"]:
            raise NotSupported(f"The runs of dag {dag.dag_id} belong together with those of sub-DAGs; {USE_AIRFLOW}")
        name, value = ("lock_run_by_id", run.run_id) if isinstance(run, RunId) else ("lock_run", run)
        row = await connection.fetchrow(statements[f"steering.{name}"], dag.dag_id, value)
        if row is None:
            raise missing_run(dag.dag_id, run)
        held = cls(database, connection, dag, row)
        found = await connection.fetch(statements["steering.lock_instances"], row["id"], MOST_INSTANCES + 1)
        if len(found) > MOST_INSTANCES:
            raise NotSupported(f"This run has more than {MOST_INSTANCES} task instances; {USE_AIRFLOW}")
        held.instances = [HeldInstance(*(one[name] for name in HeldInstance._fields)) for one in found]
        return held

    async def set_states(self, states: Mapping[HeldInstance, str]) -> None:
        """Set the states of instances."""
        if states:
            await self._execute("set_states", *_columns(states), list(states.values()))

    async def end(self, state: str) -> None:
        """Set the run's own state to one that ends it."""
        await self._execute("end_run", state)
        self.state = state

    async def clear(self, chosen: Sequence[HeldInstance]) -> None:
        """Let instances run again with as many retries as at first, and the run with them.

        Raises NotSupported if only Airflow itself can do it, and Conflict if the DAG cannot be read.
        """
        if not chosen:
            return
        keys = _columns(chosen)
        tasks = json.dumps(list(_refreshed(known_tasks(self.dag), {one.task_id for one in chosen})))
        for name in _BEFORE:
            await self._execute_if(name, *keys)
        await self._execute("clear_instances", *keys, tasks)
        for name in _AFTER:
            await self._execute_if(name, *keys)
        await self._execute_if("renew_ids", *keys, [uuid7() for _ in chosen])
        state = await self._fetchval("requeue_run", known_tasks(self.dag).follows_bundle)
        self.state = state or self.state
        for name in _OF_RUN:
            await self._execute_if(name)
        await self._execute_if("trace_tries", *keys)

    async def require_clearable(self, chosen: Sequence[HeldInstance]) -> None:
        """Raise NotSupported if only Airflow itself can clear these instances as it does."""
        known_tasks(self.dag)
        if self.row["lacks_version"]:
            raise NotSupported(f"This run has no version of its DAG, only Airflow can give it one; {USE_AIRFLOW}")
        if marker := next((one.task_id for one in chosen if one.marks_others), None):
            raise NotSupported(
                f"Task {marker} stands for tasks of other DAGs, which are cleared with it; {USE_AIRFLOW}"
            )
        if "steering.asks_people" in self._statements:
            task_id = await self._fetchval("asks_people", *_columns(chosen))
            if task_id is not None:
                raise NotSupported(
                    f"Task {task_id} has asked somebody, and the answer is kept with its try; {USE_AIRFLOW}"
                )

    async def delete(self) -> int:
        """Delete the run with all that belongs to it; return the number of rows of the run and its instances."""
        number: int = await self._fetchval("delete_run")
        return number

    async def announce(self) -> None:
        """Tell those who wait for the run, and the schedulers of a standalone database, that it has changed."""
        await self._execute_if("announce", ENDED_RUNS, STEERED_CHANNEL)

    @property
    def names(self) -> tuple[str, str | None, str]:
        """The dag_id, the date in ISO 8601, and the run_id."""
        return self.dag.dag_id, self.row["execution_date"], self.row["run_id"]

    async def _execute(self, name: str, *arguments: object) -> None:
        await self._connection.execute(self._statements[f"steering.{name}"], self.row["id"], *arguments)

    async def _execute_if(self, name: str, *arguments: object) -> None:
        if f"steering.{name}" in self._statements:
            await self._execute(name, *arguments)

    async def _fetchval(self, name: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever the column holds
        return await self._connection.fetchval(self._statements[f"steering.{name}"], self.row["id"], *arguments)


def known_tasks(dag: Dag) -> PreparedDag:
    """Return the serialized form of a DAG; raises NotSupported if this database has none."""
    if dag.serialized is None:
        raise NotSupported(
            f"The tasks of dag {dag.dag_id} are not known: this database has no serialized DAGs;"
            " switch on [core] store_serialized_dags in Airflow's configuration, "
            f" or {USE_AIRFLOW}"
        )
    return dag.serialized


def _columns(instances: Iterable[HeldInstance]) -> tuple[list[str], list[int]]:
    keys = [(one.task_id, one.map_index) for one in instances]
    return [task_id for task_id, _ in keys], [map_index for _, map_index in keys]


def _refreshed(known: PreparedDag, task_ids: AbstractSet[str]) -> Iterable[dict[str, object]]:
    """Yield what the DAG says of those tasks that it still has, for the columns of their instances."""
    for task_id in sorted(task_ids & known.tasks.keys()):
        task = known.task(task_id)
        try:
            yield {"task_id": task_id, **_columns_of(task, whole=not known.only_airflow)}
        except (msgspec.MsgspecError, ValueError, TypeError, KeyError) as error:
            odd = f"Task {task_id} of dag {known.dag_id} is not serialized as Airflow does it"
            raise Conflict(odd, Code.DAG_NOT_READABLE) from error


def _columns_of(task: PreparedTask | None, *, whole: bool) -> dict[str, object]:
    if task is None:
        raise ValueError("there is no such task")
    if whole:
        found = msgspec.msgpack.decode(task.instance, type=Instance)
        names = ("pool", "pool_slots", "queue", "priority_weight", "operator", "custom_operator_name", "executor")
        return {"is_whole": True, "retries": found.max_tries, **{name: getattr(found, name) for name in names}}
    # What this release's configuration says of queues and weights is not known here; the instance keeps its own.
    row = msgspec.json.decode(task.first_row)
    return {"retries": int(row["max_tries"]), "pool": row["pool"], "pool_slots": int(row["pool_slots"]),
            "operator": row["operator"]}  # fmt: skip
