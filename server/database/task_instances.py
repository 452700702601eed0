"""Task instances: the `task_instance` table."""

import getpass
from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import NamedTuple

import asyncpg
import msgspec
from msgspec import UNSET

from server.database.batch import Batcher
from server.database.dags import Dags
from server.database.database import Database
from server.database.decoder import Decoder
from server.database.prepared import PreparedTask
from server.database.run_states import missing_run
from server.database.settings import Settings
from server.errors import Conflict, NotFound
from server.wire.run_names import RunId, RunName, in_words
from server.wire.shapes import TaskInstance
from windsock.protocol import Code

_MAPPED = ("map_index", "mapped_instances", "run_id", "try_number")
_COLUMNS = tuple(name for name in TaskInstance.__struct_fields__ if name not in _MAPPED)
_TOO_MUCH = "(a pickle of too much)"
_UNMAPPED = frozenset({None, -1})
_UNFINISHED = frozenset({"queued", "running"})


class Key(NamedTuple):
    """What a task instance is found by: of its run the date or, by another statement, the run_id.

    Where no task has several instances, the statement has no `map_index`.
    """

    dag_id: str
    run: datetime | str
    task_id: str
    map_index: int | None


class TaskInstances:
    """The `task_instance` table."""

    def __init__(self, database: Database, settings: Settings, dags: Dags, decoder: Decoder) -> None:
        """Read the task instances of `database`; its DAGs are `dags`, and `decoder` reads its pickles."""
        self._database = database
        self._decoder = decoder
        self._dags = dags
        self._unixname = getpass.getuser()
        self._has_mapped = settings.generation.has_mapped_tasks
        # It reads the columns by their names, in the order of the fields.
        self._columns = itemgetter(*_COLUMNS, *(_MAPPED if self._has_mapped else ()))
        self._find: Batcher[Key, asyncpg.Record] = settings.batcher("find_task_instances", self._find_many)
        self._find_by_id: Batcher[Key, asyncpg.Record] = settings.batcher(
            "find_task_instances_by_id", self._find_many_by_id
        )

    async def get(self, dag_id: str, run: RunName, task_id: str, map_index: int | None = None) -> TaskInstance:
        """Return a task instance; raises NotFound for DAG, task, run, instance.

        While the run is queued or running, an instance without a row is answered as its first row will be. For a mapped
        task (Airflow 2.3 and later) `map_index` chooses the instance; without it, it is the one that is furthest from
        its end. Airflow 1.10 has no such tasks: there `map_index` has no meaning.
        """
        if isinstance(run, RunId):
            row = await self._find_by_id(Key(dag_id, run.run_id, task_id, map_index))
        else:
            row = await self._find(Key(dag_id, run, task_id, map_index))
        if not row["known"]:
            raise await self._dags.unknown(dag_id)
        dag = await self._dags.at(dag_id, row["root_dag_id"], row["version"], any_serialized=row["any_serialized"])
        task = dag.task(task_id)
        if row["run"] is None:
            raise missing_run(dag_id, run)
        if row["task_id"] is not None:
            pickled = row["executor_config"]
            return self._instance(row, await self._decoder.shown(dag_id, pickled) if pickled else _unread(pickled))
        if row["run_state"] in _UNFINISHED and (map_index in _UNMAPPED or not self._has_mapped):
            return self._first_instance(str(row["execution_date"]), dag_id, task_id, task)
        raise _missing_instance(task_id, run, map_index if self._has_mapped else None)

    def _instance(self, row: asyncpg.Record, executor_config: str) -> TaskInstance:
        instance = TaskInstance(*map(str, self._columns(row)))
        instance.executor_config = executor_config
        if self._has_mapped and row["mapped_instances"] is None:
            instance.mapped_instances = UNSET
        return instance

    def _first_instance(self, date: str, dag_id: str, task_id: str, task: PreparedTask) -> TaskInstance:
        if not task.first_row:
            odd = f"Task {task_id} of dag {dag_id} is not serialized as Airflow does it"
            raise Conflict(odd, Code.DAG_NOT_READABLE)
        known: dict[str, str] = msgspec.json.decode(task.first_row)
        known |= {"dag_id": dag_id, "task_id": task_id, "execution_date": date, "unixname": self._unixname}
        return TaskInstance(hostname="", executor_config="{}", **known)

    async def _find_many(self, keys: Sequence[Key]) -> Sequence[asyncpg.Record]:
        return await self._database.fetch_each("find_task_instances", self._columns_of(keys))

    async def _find_many_by_id(self, keys: Sequence[Key]) -> Sequence[asyncpg.Record]:
        return await self._database.fetch_each("find_task_instances_by_id", self._columns_of(keys))

    def _columns_of(self, keys: Sequence[Key]) -> list[tuple[object, ...]]:
        width = len(Key._fields) if self._has_mapped else len(Key._fields) - 1
        return [key[:width] for key in keys]


def _unread(pickled: bytes | None) -> str:
    # The statement leaves out what is larger than the decoder reads.
    return str(None) if pickled is None else _TOO_MUCH


def _missing_instance(task_id: str, run: RunName, map_index: int | None) -> NotFound:
    which = "" if map_index is None else f" with map_index {map_index}"
    message = f"Task {task_id} instance for {in_words(run)}{which} not found"
    return NotFound(message, Code.TASK_INSTANCE_NOT_FOUND)
