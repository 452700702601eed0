"""Writes DAG rows to the database, each file in one transaction, and only what has changed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from server.database import statements
from server.standalone.dags.serialize import DagFile, DagRow, fileloc_hash

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]

_SQL = statements.load("sessions.sql", "dags.sql")


class Written(NamedTuple):
    """What changed in the database: DAGs written, DAGs deactivated."""

    written: Sequence[str]
    deactivated: Sequence[str]


class DagRows:
    """The loader's view of the database, over one connection."""

    def __init__(self, conn: "Connection", *, paused_at_creation: bool) -> None:
        self._conn = conn
        self._paused_at_creation = paused_at_creation

    async def known_files(self) -> dict[str, list[str]]:
        """Return the dag_ids of each YAML file that the database knows; [] if it has only an import error for it."""
        rows = await self._conn.fetch(_SQL["known_files"])
        return {row["fileloc"]: row["dag_ids"] or [] for row in rows}

    async def missing(self, dag_ids: Sequence[str]) -> set[str]:
        """Return those of these DAGs that the database does not have, or not as active ones."""
        rows = await self._conn.fetch(_SQL["missing_dags"], dag_ids)
        return {row["dag_id"] for row in rows}

    async def put_file(self, file: DagFile) -> Written:
        """Write the file's DAGs and code if they differ; deactivate the DAGs that it no longer defines."""
        key = fileloc_hash(file.fileloc)
        async with self._conn.transaction():
            await self._conn.execute(_SQL["lock"], key)
            changed = await self._changed(file)
            for row in changed:
                await self._put_dag(row, file.fileloc, key)
            if await self._conn.fetchval(_SQL["stored_code"], key) != file.source:
                await self._conn.execute(_SQL["put_code"], key, file.fileloc, file.source)
            await self._conn.execute(_SQL["drop_import_error"], file.fileloc)
            deactivated = await self._conn.fetch(_SQL["deactivate_dags"], file.fileloc, file.dag_ids)
        return Written([row.dag_id for row in changed], [row["dag_id"] for row in deactivated])

    async def put_error(self, fileloc: str, report: str) -> bool:
        """Record why a file cannot be used; its DAGs stay. False if exactly this is recorded already."""
        async with self._conn.transaction():
            await self._conn.execute(_SQL["lock"], fileloc_hash(fileloc))
            stored = await self._conn.fetch(_SQL["stored_errors"], fileloc)
            if [row["stacktrace"] for row in stored] == [report]:
                return False
            await self._conn.execute(_SQL["drop_import_error"], fileloc)
            await self._conn.execute(_SQL["put_import_error"], fileloc, report)
        return True

    async def remove_file(self, fileloc: str) -> Written:
        """Deactivate the DAGs of a file that is gone. Their rows, runs and code stay readable."""
        async with self._conn.transaction():
            await self._conn.execute(_SQL["lock"], fileloc_hash(fileloc))
            await self._conn.execute(_SQL["drop_import_error"], fileloc)
            deactivated = await self._conn.fetch(_SQL["deactivate_dags"], fileloc, [])
        return Written([], [row["dag_id"] for row in deactivated])

    async def _changed(self, file: DagFile) -> list[DagRow]:
        rows = await self._conn.fetch(_SQL["stored_dags"], file.dag_ids)
        stored = {row["dag_id"]: (row["fileloc"], row["dag_hash"]) for row in rows}
        changed = [row for row in file.rows if stored.get(row.dag_id) != (file.fileloc, row.dag_hash)]
        return sorted(changed, key=lambda row: row.dag_id)

    async def _put_dag(self, row: DagRow, fileloc: str, key: int) -> None:
        paused = self._paused_at_creation if row.is_paused is None else row.is_paused
        execute = self._conn.execute
        problem = row.schedule_problem and f"This schedule is not run: {row.schedule_problem}"
        shown = row.description, row.schedule_interval, problem
        await execute(_SQL["put_dag"], row.dag_id, paused, fileloc, row.owners, *shown)
        await execute(_SQL["put_serialized_dag"], row.dag_id, fileloc, key, row.data, row.dag_hash)
        await execute(_SQL["drop_tags"], row.dag_id, row.tags)
        await execute(_SQL["put_tags"], row.dag_id, row.tags)
