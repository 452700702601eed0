"""The states of DAG runs, now or when the runs have ended."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

import asyncpg

from server.database.batch import Batcher
from server.database.dags import Dags
from server.database.database import Database
from server.database.run_watch import RunWatch
from server.database.settings import Settings
from server.errors import NotFound, Unavailable
from server.wire.run_lists import Found
from server.wire.run_names import RunId, RunName, in_words
from windsock.protocol import ENDED, Code

Keys = tuple[tuple[str, RunName], ...]

# Lists of all callers together may name so many runs, because each list is kept until it is answered.
_MOST_LISTED = 200_000
# If there are more than this, nobody waits for the end of the runs in a list.
_MOST_WAITED_FOR = 100_000


class _Look(NamedTuple):
    """What is known of runs in a list, and the ids of those that have not ended, with their states."""

    found: list[Found]
    unfinished: dict[int, str | None]


class RunStates:
    """Reads the states of runs in the `dag_run` table."""

    def __init__(self, database: Database, settings: Settings, dags: Dags, watch: RunWatch) -> None:
        """Read the runs of `database`, whose DAGs are `dags`; `watch` tells when they have ended."""
        self._database = database
        self._dags = dags
        self._watch = watch
        # Those who come, or are woken, together must not fill the queue, in which everybody waits for the database.
        self._turns = asyncio.Semaphore(max(1, settings.batch_queue_limit // 8))
        self._find: Batcher[tuple[str, datetime], asyncpg.Record] = settings.batcher("find_runs", self._find_many)
        self._find_by_id: Batcher[tuple[str, str], asyncpg.Record] = settings.batcher(
            "find_runs_by_id", self._find_many_by_id
        )
        self._listed = 0
        self._find_list: Batcher[Keys, _Look] = settings.queue("find_named_runs", self._find_one_list)

    async def state(self, dag_id: str, run: RunName) -> str | None:
        """Return the state of a run; raises NotFound."""
        state: str | None = (await self._row(dag_id, run))["state"]
        return state

    async def state_at_end(self, dag_id: str, run: RunName, seconds: float) -> str | None:
        """Return the state of a run once it has ended; after so many `seconds`, or at a stop, the state that it has.

        Raises NotFound, also if somebody deletes the run meanwhile.
        """
        until = time.monotonic() + seconds
        while True:
            async with self._turns:
                row = await self._row(dag_id, run)
            left = until - time.monotonic()
            if row["state"] in ENDED or left <= 0 or self._watch.stopped:
                state: str | None = row["state"]
                return state
            await self._watch.wait({row["id"]: row["state"]}, left)

    @contextmanager
    def room_for_list(self, size: int) -> Iterator[None]:
        """Count a list of so many entries as long as the block lasts; raises Unavailable if there are too many."""
        if self._listed + size > _MOST_LISTED:
            message = "Too many runs are being asked for in lists; try again shortly"
            raise Unavailable(message, code=Code.OVERLOADED)
        self._listed += size
        try:
            yield
        finally:
            self._listed -= size

    async def states(self, runs: Keys, seconds: float = 0) -> Sequence[Found]:
        """Return what is known of each run in a list, read at one moment.

        That is once all of them have ended; after so many `seconds`, or at a stop, what is known then.
        """
        until = time.monotonic() + seconds
        while True:
            async with self._turns:
                look = await self._find_list(runs)
            left = until - time.monotonic()
            too_many = self._listed > _MOST_WAITED_FOR
            if not look.unfinished or left <= 0 or too_many or self._watch.stopped:
                return look.found
            await self._watch.wait(look.unfinished, left)

    async def _row(self, dag_id: str, run: RunName) -> asyncpg.Record:
        row = await (self._find_by_id((dag_id, run.run_id)) if isinstance(run, RunId) else self._find((dag_id, run)))
        if not row["known"]:
            raise await self._dags.unknown(dag_id)
        if (missing := _missing(row, dag_id, run)) is not None:
            raise missing
        return row

    async def _find_one_list(self, lists: Sequence[Keys]) -> Sequence[_Look]:
        [runs] = lists
        rows = await self._database.fetch_each("find_named_runs", [(dag_id, *_names(run)) for dag_id, run in runs])
        found = [_missing(row, *key) or row["state"] for key, row in zip(runs, rows, strict=True)]
        unfinished = {row["id"]: row["state"] for row in rows if row["id"] is not None and row["state"] not in ENDED}
        return [_Look(found, unfinished)]

    async def _find_many(self, keys: Sequence[tuple[str, datetime]]) -> Sequence[asyncpg.Record]:
        return await self._database.fetch_each("find_runs", keys)

    async def _find_many_by_id(self, keys: Sequence[tuple[str, str]]) -> Sequence[asyncpg.Record]:
        return await self._database.fetch_each("find_runs_by_id", keys)


def _names(run: RunName) -> tuple[str | None, str | None]:
    return (None, run.run_id) if isinstance(run, RunId) else (run.astimezone(UTC).isoformat(), None)


def _missing(row: asyncpg.Record, dag_id: str, run: RunName) -> NotFound | None:
    """Return the error for a run that is not there; None if it is."""
    if not row["known"] or not row["serialized"]:
        where = "" if row["known"] else " in DagModel"
        return NotFound(f"Dag id {dag_id} not found{where}", Code.DAG_NOT_FOUND)
    return missing_run(dag_id, run) if row["id"] is None else None


def missing_run(dag_id: str, run: RunName) -> NotFound:
    """Build the error for a date, or a run_id, of which the DAG has no run."""
    return NotFound(f"Dag Run for {in_words(run)} not found in dag {dag_id}", Code.RUN_NOT_FOUND)
