"""Claims tasks: chooses those scheduled tasks that may start now within every limit, and queues them."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from operator import itemgetter

import asyncpg
import structlog

from server.database.connections import Connection
from server.standalone.scheduler.graph import Graph
from server.standalone.scheduler.graphs import Graphs
from server.standalone.scheduler.limits import Demand, Limits
from server.standalone.scheduler.store import Key, Place, Store

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_PAGE = 200
_NO_LIMIT = 2**62
_KEY = itemgetter("dag_id", "execution_date", "task_id")
# The order of the queue, and its beginning.
_PLACE = itemgetter("rank", "execution_date", "dag_id", "task_id")
_START: Place = (-(2**62), datetime(1, 1, 2, tzinfo=UTC), "", "")


class Claimer:
    """Queues tasks for one scheduler."""

    def __init__(self, store: Store, graphs: Graphs, job_id: int, parallelism: int, dag_concurrency: int) -> None:
        """`parallelism` is for all schedulers together, 0: no limit; `dag_concurrency` is for DAGs without a limit."""
        self._store = store
        self._graphs = graphs
        self._job_id = job_id
        self._parallelism = parallelism or _NO_LIMIT
        self._dag_concurrency = dag_concurrency
        self._missed: set[str] = set()

    async def claim(self) -> tuple[list[str], bool]:
        """Queue what fits; return the dag_id of each queued task, and whether others must wait."""
        async with self._store.database.transaction() as conn:
            dag_ids = await self._store.lock_claims(conn)
            if not dag_ids:
                return [], False
            limits = await self._limits(conn, *await self._graphs.load(conn, dag_ids))
            claimed: list[str] = []
            place = _START
            while limits.free and limits.open_pools:
                rows = await self._store.candidates(conn, limits.open_pools, limits.full_dags, place, _PAGE)
                chosen = [rows[n] for n in limits.choose(_demand(row) for row in rows)]
                if chosen:
                    await self._store.queue(conn, self._job_id, [Key(*_KEY(row)) for row in chosen])
                    claimed += [row["dag_id"] for row in chosen]
                if len(rows) < _PAGE:
                    break
                place = _PLACE(rows[-1])
        return claimed, True

    async def _limits(self, conn: Connection, graphs: Mapping[str, Graph], awaited: Collection[str]) -> Limits:
        pools = await self._store.lock_pools(conn)
        limits = Limits(
            parallelism=self._parallelism,
            # In Airflow -1 means no limit.
            pools={pool: _NO_LIMIT if slots == -1 else slots for pool, slots in pools.items()},
            dags={
                **{dag_id: graph.concurrency or self._dag_concurrency for dag_id, graph in graphs.items()},
                # What they may start nobody knows yet.
                **dict.fromkeys(awaited, 0),
            },
            tasks={
                (dag_id, node.task_id): node.task_concurrency
                for dag_id, graph in graphs.items()
                for node in graph.limited
            },
        )
        for row in await self._store.in_use(conn):
            limits.take(_demand(row), row["tasks"])
        self._warn(graphs, limits)
        return limits

    def _warn(self, graphs: Mapping[str, Graph], limits: Limits) -> None:
        """Log once for each pool that tasks wait for it although it does not exist or is too small."""
        wanted = [demand for graph in graphs.values() for demand in graph.slots.items()]
        missed = {pool for pool, slots in wanted if slots > limits.pools.get(pool, 0)}
        for pool in sorted(missed - self._missed):
            _log.warning("tasks wait for a pool that does not exist or has fewer slots than they take", pool=pool)
        self._missed = missed


def _demand(row: asyncpg.Record) -> Demand:
    return Demand(row["dag_id"], row["task_id"], row["pool"], row["slots"])
