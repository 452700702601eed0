"""Finds the runs that have ended since some moment, and keeps for a standalone database what has been told of them.

There are two ways. A scan reads all that ended after a moment, however long ago that is: a standalone database has an
index for it, while it takes one look at the whole table of an Airflow. Between two scans `RunChanges` notices the ends
of an Airflow's runs by indexes that every Airflow has.
"""

import hashlib
from collections.abc import Callable, Collection
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from server.database.event_log import RUN_ENDED
from server.database.run_changes import NOWHERE, RunChanges

if TYPE_CHECKING:
    from server.database.database import Database

_ID_LENGTH = 32


class Place(NamedTuple):
    """Where a scan goes on: after the run with this `number` that ended at that moment."""

    ended: datetime
    number: int = 0


class RunEnd(NamedTuple):
    """The end of a run. `number` is the `id` of its row; `end_date` is written as the API shows it."""

    number: int
    dag_id: str
    run_id: str
    state: str
    end_date: str | None

    @property
    def id(self) -> str:
        """An id of this end: another one if the run is cleared and ends again. It has no full stop."""
        written = "\n".join([str(self.number), self.dag_id, self.run_id, self.state, str(self.end_date)])
        return f"run_end_{hashlib.sha256(written.encode()).hexdigest()[:_ID_LENGTH]}"

    @property
    def key(self) -> str:
        """What tells it from other ends in the same database, and costs less than an id."""
        return f"{self.number} {self.state} {self.end_date}"

    @property
    def ended(self) -> datetime | None:
        """When it ended."""
        return None if self.end_date is None else datetime.fromisoformat(self.end_date)


class RunEnds:
    """Reads the table `dag_run`. All methods raise WindsockError and asyncpg.PostgresError."""

    def __init__(self, database: "Callable[[], Database]") -> None:
        """Read it in the database that `database` returns."""
        self._database = database
        self._changes = RunChanges()

    async def now(self) -> datetime:
        """Return the time of the database."""
        moment: datetime = await self._database().fetchval("moment")
        return moment

    async def after(self, place: Place, until: datetime, limit: int) -> list[RunEnd]:
        """Return the first `limit` runs that ended after `place` and not after `until`, in their order."""
        return _ends(await self._database().fetch("run_ends_after", *place, until, limit))

    async def watch(self) -> None:
        """From now on notice ends as they happen."""
        self._changes = RunChanges()
        self._changes.begin(await self._look(NOWHERE))
        self._changes.take(await self._look(self._changes.floor))

    async def noticed(self) -> list[RunEnd]:
        """Return the runs that have ended since the last call, or since `watch`; raises TooManyNewError."""
        rows = await self._look(self._changes.floor, self._changes.states({}))
        ended = {(event.dag_id, event.run_id) for event in self._changes.take(rows) if event.kind == RUN_ENDED}
        numbers = [row["id"] for row in rows if (row["dag_id"], row["run_id"]) in ended]
        return _ends(await self._database().fetch("run_ends_of", numbers)) if numbers else []

    async def load(self) -> bytes | None:
        """Return what `save` has written, None if it never ran; for a standalone database only."""
        text: str | None = await self._database().fetchval("told_run_ends")
        return None if text is None else text.encode()

    async def save(self, text: bytes) -> None:
        """Write this text, in UTF-8, in place of the last one; for a standalone database only."""
        await self._database().fetch("note_told_run_ends", text.decode())

    async def _look(self, floor: int, known: Collection[tuple[int, str | None]] = ()) -> list[asyncpg.Record]:
        numbers, states = zip(*known, strict=True) if known else ((), ())
        return await self._database().fetch("changed_runs", numbers, states, floor)


def _ends(rows: list[asyncpg.Record]) -> list[RunEnd]:
    return [RunEnd(*row) for row in rows]
