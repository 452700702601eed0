"""Airflow's `log` table: who did what."""

from collections.abc import Sequence
from typing import NamedTuple

from server.metadata import statements
from server.metadata.batch import Batcher
from server.metadata.database import Database
from server.metadata.settings import Settings


class Entry(NamedTuple):
    """One row: what happened to which DAG, if it was one, through whom."""

    event: str
    dag_id: str | None
    owner: str
    extra: str


class Log:
    """The `log` table."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Write to `database`, where it has the table."""
        self._database = database.with_statements(statements.load("log.sql"))
        self.exists = "log" in settings.tables
        self._write: Batcher[Entry, None] = settings.batcher(self._write_many)

    async def write(self, entry: Entry) -> None:
        """Write a row; raises Unavailable and what Postgres raises."""
        if self.exists:
            await self._write(entry)

    async def _write_many(self, entries: Sequence[Entry]) -> Sequence[None]:
        await self._database.fetch("write_log", *(list(column) for column in zip(*entries, strict=True)))
        return [None] * len(entries)
