"""Airflow's `log` table: who did what."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from server.database.batch import Batcher
from server.database.database import Database
from server.database.generations import LogStyle
from server.database.settings import Settings
from server.errors import Locked, Unavailable


class Entry(NamedTuple):
    """One row: what happened, to which DAG and run (if there is one), and who did it."""

    event: str
    dag_id: str | None
    owner: str
    extra: str
    run_id: str | None = None
    execution_date: datetime | None = None
    display_name: str | None = None
    task_id: str | None = None


class Log:
    """The `log` table."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Write to `database`, if it has the table."""
        self._database = database
        self.exists = "log" in settings.tables
        self.style = settings.log_style
        # A standalone database has no rows of unknown callers.
        self.names_anonymous = self.style is not LogStyle.OWN
        self._write: Batcher[Entry, None] = settings.batcher("write_log", self._write_many)

    async def write(self, entry: Entry) -> None:
        """Write a row; raises Unavailable and what Postgres raises."""
        if self.exists:
            await self._write(entry)

    async def _write_many(self, entries: Sequence[Entry]) -> Sequence[None]:
        columns = [list(column) for column in zip(*entries, strict=True)]
        try:
            await self._database.fetch("write_log", *columns)
        except Locked as error:
            # Rows do not collide with each other: the table itself is locked, and one by one all rows would wait again.
            raise Unavailable(error.message, code=error.code) from error
        return [None] * len(entries)
