"""Task instances: the `task_instance` table."""

import getpass
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from server.database.batch import Batcher
from server.database.dag_runs import missing_run
from server.database.dags import Dags
from server.database.database import Database
from server.database.decoder import Decoder
from server.database.prepared import PreparedTask
from server.database.settings import Settings
from server.errors import Conflict, NotFound
from server.wire.answers import render_ti
from windsock.protocol import Code

Key = tuple[str, datetime, str, int | None]
_COLUMNS = (
    "duration", "end_date", "executor_config", "hostname", "job_id", "max_tries", "operator", "pid", "pool",
    "pool_slots", "priority_weight", "queue", "queued_dttm", "start_date", "state", "unixname",
)  # fmt: skip
_UNMAPPED = frozenset({None, -1})
_UNFINISHED = frozenset({"queued", "running"})


class TaskInstances:
    """The `task_instance` table."""

    def __init__(self, database: Database, settings: Settings, dags: Dags, decoder: Decoder) -> None:
        """Read the task instances of `database`; its DAGs are `dags`, and `decoder` reads its pickles."""
        self._database = database
        self._decoder = decoder
        self._dags = dags
        self._unixname = getpass.getuser()
        self._generation = settings.generation
        # Airflow 1.10 has no map_index.
        self._parts = 3 if settings.generation == 1 else 4
        self._find: Batcher[Key, asyncpg.Record] = settings.batcher(self._find_many)

    async def get(self, dag_id: str, execution_date: datetime, task_id: str, map_index: int | None = None) -> bytes:
        """Return a task instance as the body of the answer; raises NotFound for DAG, task, run, instance.

        While the run is queued or running, an instance without a row is answered as its first row will be. For a mapped
        task (Airflow 2.3 and later) `map_index` chooses the instance; without it, it is the one that is furthest from
        its end. Airflow 1.10 has no such tasks: there `map_index` has no meaning.
        """
        row = await self._find((dag_id, execution_date, task_id, map_index))
        if not row["known"]:
            raise await self._dags.unknown(dag_id)
        dag = await self._dags.at(dag_id, row["root_dag_id"], row["version"], any_serialized=row["any_serialized"])
        task = dag.task(task_id)
        if row["run"] is None:
            raise missing_run(dag_id, execution_date)
        columns = {"dag_id": dag_id, "execution_date": row["execution_date"]}
        if row["texts"] is not None:
            columns["duration"], columns["end_date"] = row["duration"], row["end_date"]
            columns["executor_config"] = await self._executor_config(dag_id, row["executor_config"])
            return render_ti(columns, row["texts"])
        if row["run_state"] in _UNFINISHED and (self._generation == 1 or map_index in _UNMAPPED):
            return render_ti({**columns, "task_id": task_id, **self._first_row(dag_id, task_id, task)})
        raise _missing_instance(task_id, execution_date, None if self._generation == 1 else map_index)

    async def _executor_config(self, dag_id: str, data: bytes | None) -> str | None:
        # The statement leaves out what is larger.
        return await self._decoder.shown(dag_id, data) if data else None if data is None else "(a pickle of too much)"

    def _first_row(self, dag_id: str, task_id: str, task: PreparedTask) -> dict[str, Any]:
        if not task.first_row:
            odd = f"Task {task_id} of dag {dag_id} is not serialized as Airflow does it"
            raise Conflict(odd, Code.DAG_NOT_READABLE)
        columns: dict[str, Any] = dict.fromkeys(_COLUMNS)
        columns.update(test_mode=False, executor_config={}, hostname="", unixname=self._unixname)
        columns.update(msgspec.json.decode(task.first_row))
        return columns

    async def _find_many(self, keys: Sequence[Key]) -> Sequence[asyncpg.Record]:
        return await self._database.fetch_each("find_task_instances", [key[: self._parts] for key in keys])


def _missing_instance(task_id: str, execution_date: datetime, map_index: int | None) -> NotFound:
    which = "" if map_index is None else f" with map_index {map_index}"
    message = f"Task {task_id} instance for date {execution_date.isoformat()}{which} not found"
    return NotFound(message, Code.TASK_INSTANCE_NOT_FOUND)
