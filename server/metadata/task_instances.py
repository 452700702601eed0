"""Task instances: the `task_instance` table."""

import getpass
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg

from server.errors import NotFound
from server.metadata.batch import Batcher
from server.metadata.dag_runs import missing_run
from server.metadata.dags import Dags, unknown_dag
from server.metadata.database import Database
from server.metadata.serialized import Task
from server.metadata.settings import Settings

Key = tuple[str, datetime, str]
_COLUMNS = (
    "duration", "end_date", "executor_config", "hostname", "job_id", "max_tries", "operator", "pid", "pool",
    "pool_slots", "priority_weight", "queue", "queued_dttm", "start_date", "state", "unixname",
)  # fmt: skip
_UNFINISHED = frozenset({"queued", "running"})


class TaskInstances:
    """The `task_instance` table."""

    def __init__(self, database: Database, settings: Settings, dags: Dags) -> None:
        """Read task instances of `database`, whose DAGs are `dags`."""
        self._database = database
        self._dags = dags
        self._unixname = getpass.getuser()
        self._find: Batcher[Key, asyncpg.Record] = settings.batcher(self._find_many)

    async def get(self, dag_id: str, execution_date: datetime, task_id: str) -> Mapping[str, Any]:
        """Columns of the task instance; raises NotFound for the DAG, task, run and instance, in this order.

        While the run is queued or running, an instance without a row yet is answered as its first row will be.
        """
        row = await self._find((dag_id, execution_date, task_id))
        if not row["known"]:
            raise unknown_dag(dag_id)
        dag = await self._dags.at(dag_id, row["root_dag_id"], row["version"], any_serialized=row["any_serialized"])
        task = dag.task(task_id)
        if row["run"] is None:
            raise missing_run(dag_id, execution_date)
        if row["present"]:
            columns = {name: row[name] for name in _COLUMNS}
        elif row["run_state"] in _UNFINISHED:
            columns = self._first_row(task)
        else:
            raise NotFound(f"Task {task_id} instance for date {execution_date.isoformat()} not found")
        return {
            "dag_id": dag_id,
            "execution_date": execution_date.astimezone(UTC),
            "task_id": task_id,
            "test_mode": False,
            **columns,
        }

    def _first_row(self, task: Task) -> dict[str, Any]:
        columns: dict[str, Any] = dict.fromkeys(_COLUMNS)
        columns.update(
            executor_config={},
            hostname="",
            max_tries=task.get("retries"),
            operator=task.operator,
            pool=task.get("pool"),
            pool_slots=task.get("pool_slots"),
            priority_weight=task.priority_weight_total,
            queue=task.get("queue"),
            unixname=self._unixname,
        )
        return columns

    async def _find_many(self, keys: Sequence[Key]) -> Sequence[asyncpg.Record]:
        return await self._database.fetch("find_task_instances", *zip(*keys, strict=True))
