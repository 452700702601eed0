"""Airflow's `log` table: who did what."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from server.database import statements
from server.database.batch import Batcher
from server.database.database import Database
from server.database.settings import Settings
from server.errors import Locked, Unavailable


class Style(Enum):
    """Who else writes to the table; its readers look for rows in that style."""

    OWN = "nobody: a standalone database"
    VIEWS = "the pages of Airflow 1.10"
    PERMISSIONS = "Airflow 2.7 and 2.8"
    API_V1 = "the API of Airflow 2.9 and later"
    API_V2 = "the API of Airflow 3"


class Entry(NamedTuple):
    """One row: what happened, to which DAG and run (if there is one), and who did it."""

    event: str
    dag_id: str | None
    owner: str
    extra: str
    run_id: str | None = None
    execution_date: datetime | None = None
    display_name: str | None = None


class Log:
    """The `log` table."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Write to `database`, if it has the table."""
        named = statements.fit_all(statements.load("log.sql"), settings.columns)
        self._database = database.with_statements(named)
        self.exists = "log" in settings.tables
        self.style = _style(settings.generation, settings.columns, standalone=settings.standalone)
        # A standalone database has no rows of unknown callers.
        self.names_anonymous = self.style is not Style.OWN
        self._write: Batcher[Entry, None] = settings.batcher(self._write_many)

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


def _style(generation: int, columns: AbstractSet[str], *, standalone: bool) -> Style:
    if standalone:
        return Style.OWN
    if generation == 1:
        return Style.VIEWS
    if "log.logical_date" in columns:
        return Style.API_V2
    return Style.API_V1 if "log.run_id" in columns else Style.PERMISSIONS
