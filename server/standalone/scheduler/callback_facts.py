"""The statements about what callbacks of DAGs are told: how the tasks of a run ended, and who has missed an SLA."""

from collections.abc import Collection, Sequence
from datetime import datetime

import asyncpg

from server.database.database import Database
from server.standalone.scheduler.store import Key

# So many tasks and bytes a callback is told of.
_MOST_TASKS = 10_000
_MOST_BYTES = 4 * 2**20


class CallbackFacts:
    """Statements on a connection pool. Each is one step, committed as a whole or not at all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def last_try(self, key: Key) -> asyncpg.Record | None:
        """Return what there is to know about the last try of a task; None if there is no such task."""
        return await self._database.fetchrow("last_try", *key)

    async def first_xcoms(self, key: Key) -> list[asyncpg.Record]:
        """Return the first results of the tasks of a task's run, 4 MiB at most."""
        return await self._database.fetch("first_xcoms", key.dag_id, key.execution_date, _MOST_BYTES)

    async def ended_instances(self, run: int) -> list[asyncpg.Record]:
        """Return the tasks of a run, those that ended last come first; 10,000 at most."""
        return await self._database.fetch("ended_instances", run, _MOST_TASKS)

    async def blocking_instances(self, dag_id: str, dates: Sequence[datetime]) -> list[asyncpg.Record]:
        """Return the tasks of these dates that have begun and not succeeded; 10,000 at most."""
        return await self._database.fetch("blocking_instances", dag_id, dates, _MOST_TASKS)

    async def due_slas(self) -> list[str]:
        """Return the DAGs with SLAs that are to be judged."""
        return [row["dag_id"] for row in await self._database.fetch("due_slas")]

    async def miss_slas(self, dag_ids: Collection[str], number: int) -> list[asyncpg.Record]:
        """Judge SLAs of these DAGs, each once; return the tasks that have missed theirs: rows of `sla_miss`."""
        return await self._database.fetch("miss_slas", list(dag_ids), number)
