"""The states of DAG runs, now or when the runs have ended."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime

import asyncpg

from server.database.batch import Batcher
from server.database.dags import Dags
from server.database.database import Database
from server.database.run_watch import RunWatch
from server.database.settings import Settings
from server.errors import NotFound
from server.wire.run_names import RunId, RunName, in_words
from windsock.protocol import ENDED, Code


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
            await self._watch.wait(row["id"], left)

    async def _row(self, dag_id: str, run: RunName) -> asyncpg.Record:
        row = await (self._find_by_id((dag_id, run.run_id)) if isinstance(run, RunId) else self._find((dag_id, run)))
        if not row["known"]:
            raise await self._dags.unknown(dag_id)
        if not row["serialized"]:
            raise NotFound(f"Dag id {dag_id} not found", Code.DAG_NOT_FOUND)
        if row["id"] is None:
            raise missing_run(dag_id, run)
        return row

    async def _find_many(self, keys: Sequence[tuple[str, datetime]]) -> Sequence[asyncpg.Record]:
        return await self._database.fetch_each("find_runs", keys)

    async def _find_many_by_id(self, keys: Sequence[tuple[str, str]]) -> Sequence[asyncpg.Record]:
        return await self._database.fetch_each("find_runs_by_id", keys)


def missing_run(dag_id: str, run: RunName) -> NotFound:
    """Build the error for a date, or a run_id, of which the DAG has no run."""
    return NotFound(f"Dag Run for {in_words(run)} not found in dag {dag_id}", Code.RUN_NOT_FOUND)
