"""DAGs: what the database knows of them, and their serialized form, parsed once."""

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import NamedTuple

import asyncpg

from server.errors import BadRequest, Conflict, NotFound
from server.metadata import serialized
from server.metadata.batch import Batcher
from server.metadata.database import Database
from server.metadata.serialized import SerializedDag, Task
from server.metadata.settings import Settings

_STREAM_PAGE = 2000
_HEX = re.compile(r"\\x(?:[0-9a-f]{2})*")


class Dag(NamedTuple):
    """A DAG as it was when `version` of its root's serialized row was read; `serialized` None: there is none."""

    dag_id: str
    root_dag_id: str
    version: str | None
    serialized: SerializedDag | None

    @property
    def subdag_ids(self) -> list[str]:
        """Ids of the sub-DAGs below it."""
        return self.serialized.subdag_ids if self.serialized else []

    @property
    def tasks(self) -> Mapping[str, Task]:
        """Its tasks by id; raises NotFound where the database has no serialized DAGs."""
        if self.serialized is None:
            raise NotFound(
                f"No task information for dag {self.dag_id}: this database has no serialized DAGs;"
                " switch on [core] store_serialized_dags in Airflow's configuration"
            )
        return self.serialized.tasks

    def task(self, task_id: str) -> Task:
        """Return a task by its id; raises NotFound."""
        task = self.tasks.get(task_id)
        if task is None:
            raise NotFound(f"Task {task_id} not found in dag {self.dag_id}")
        return task


def unknown_dag(dag_id: str) -> NotFound:
    """Build the error for a DAG that has no row in `dag`."""
    return NotFound(f"Dag id {dag_id} not found in DagModel")


class Dags:
    """The `dag`, `serialized_dag` and `dag_code` tables."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Read DAGs of `database`."""
        self._database = database
        self._cron_intervals = settings.cron_intervals
        self._cache: dict[str, Dag] = {}
        self._find: Batcher[str, asyncpg.Record] = settings.batcher(self._find_many)
        self._delete_statements = [
            name
            for name in database.statements
            if name.startswith("delete_dag.") and name.removeprefix("delete_dag.") in settings.tables
        ]

    async def get(self, dag_id: str) -> Dag:
        """Read the DAG as it is now; raises NotFound."""
        row = await self._find(dag_id)
        if not row["known"]:
            raise unknown_dag(dag_id)
        return await self.at(dag_id, row["root_dag_id"], row["version"], any_serialized=row["any_serialized"])

    async def recent(self, dag_id: str) -> Dag:
        """Return the DAG as it was read last; the statement that relies on it must check its version."""
        return self._cache.get(dag_id) or await self.get(dag_id)

    async def at(self, dag_id: str, root_dag_id: str, version: str | None, *, any_serialized: bool) -> Dag:
        """Return the DAG at `version`, which a statement has just read; raises NotFound where it is not serialized."""
        cached = self._cache.get(dag_id)
        if cached is not None and cached.version == version and (version is not None or not any_serialized):
            return cached
        if version is None:
            if any_serialized:
                raise NotFound(f"Dag id {dag_id} not found")
            self._cache[dag_id] = Dag(dag_id, root_dag_id, None, None)
            return self._cache[dag_id]
        row = await self._database.fetchrow("serialized_dag", root_dag_id)
        if row is None:
            raise NotFound(f"Dag id {dag_id} not found")
        stored = row["data"], row["data_compressed"]
        for member in serialized.parse(root_dag_id, *stored, cron_intervals=self._cron_intervals):
            self._cache[member.dag_id] = Dag(member.dag_id, root_dag_id, row["version"], member)
        dag = self._cache.get(dag_id)
        if dag is None or dag.version != row["version"]:
            raise NotFound(f"Dag id {dag_id} not found")
        return dag

    def forget(self, dag_id: str) -> None:
        """Drop what is cached of a DAG that a statement found changed."""
        self._cache.pop(dag_id, None)

    async def code(self, dag_id: str) -> str:
        """Return the source of the DAG's file; raises NotFound."""
        await self.get(dag_id)
        source: str | None = await self._database.fetchval("dag_code", dag_id)
        if source is None:
            raise NotFound(f"The source code of dag {dag_id} is not stored in this database")
        return _undo_hex(source)

    async def is_paused(self, dag_id: str) -> bool | None:
        """Whether the DAG is paused, None where its row does not say; raises NotFound."""
        row = await self._find(dag_id)
        if not row["known"]:
            raise unknown_dag(dag_id)
        paused: bool | None = row["is_paused"]
        return paused

    async def pause(self, dag_id: str, *, is_paused: bool) -> None:
        """Pause or unpause the DAG and its sub-DAGs; raises NotFound."""
        async with self._database.transaction() as connection:
            statements = self._database.statements
            await connection.execute(statements["wait_for_locks"])
            rows = await connection.fetch(statements["pause_dag"], dag_id, is_paused)
        if dag_id not in {row["dag_id"] for row in rows}:
            raise unknown_dag(dag_id)

    async def delete(self, dag_id: str) -> int:
        """Delete every row of the DAG and its sub-DAGs and count them.

        Raises NotFound, BadRequest for a sub-DAG, Conflict where Airflow 2 or 3 is running a task of it.
        """
        async with self._database.transaction() as connection:
            statements = self._database.statements
            await connection.execute(statements["wait_for_locks"])
            dag = await connection.fetchrow(statements["lock_dag"], dag_id)
            if dag is None:
                raise NotFound(f"Dag id {dag_id} not found")
            if dag["is_subdag"]:
                raise BadRequest(f"Dag id {dag_id} is a sub-DAG; delete the DAG that it belongs to")
            dag_ids = [dag_id, *dag["subdag_ids"]]
            if (query := statements.get("running_instance")) and (task_id := await connection.fetchval(query, dag_ids)):
                raise Conflict(f"Dag id {dag_id} cannot be deleted while a task of it is running: {task_id}")
            counts = [
                int((await connection.execute(statements[name], dag_ids)).split()[-1])
                for name in self._delete_statements
            ]
            await connection.execute(statements["delete_import_error"], dag["filenames"], dag["bundle_name"])
        for member in dag_ids:
            self.forget(member)
        return sum(counts)

    async def count(self) -> int:
        """How many DAGs there are, sub-DAGs aside."""
        total: int = await self._database.fetchval("count_dags")
        return total

    def pages(self, limit: int | None, offset: int, *, descending: bool) -> AsyncGenerator[list[str], None]:
        """Pages of JSON objects, one a DAG, ordered by dag_id."""
        return self._database.stream("dags", (limit, offset, descending), _STREAM_PAGE)

    async def _find_many(self, dag_ids: Sequence[str]) -> Sequence[asyncpg.Record]:
        return await self._database.fetch_each("find_dags", [(dag_id,) for dag_id in dag_ids])


def _undo_hex(source: str) -> str:
    r"""Read what Airflow 1.10 stores of a file in a zip: the bytes as `\x...`."""
    if not _HEX.fullmatch(source):
        return source
    return bytes.fromhex(source[2:]).decode(errors="replace")
