"""The DAGs that runs need, each version read only once."""

import asyncio
from collections.abc import Callable, Sequence

import asyncpg
import msgspec
import structlog

from server.database.connections import Connection
from server.database.encoding import MALFORMED
from server.errors import Unavailable
from server.process.offload import OffloadError, OutOfMemory, WorkerPool, WorkFailed
from server.standalone.scheduler import graph_process
from server.standalone.scheduler.graph import Graph, read_graph
from server.standalone.scheduler.store import Store
from windsock.text import first_line

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# Up to so many characters a DAG is read in this process, in milliseconds; longer than the other it is not read at all.
_SMALL = 2**14
_LARGEST = 2**25
_AT_ONCE = 2
_WAITING = 2**16
# For reading one DAG.
SECONDS = 5.0
_MEMORY = 2**30
# What took too long may have done so because the machine was busy.
_AGAIN = 60.0


class Graphs:
    """A cache that asks for the current version each time, so that an edited file takes effect at once.

    A large DAG is read beside everything else, for it may be one that nobody can read: until then its runs wait.
    """

    def __init__(self, store: Store, changed: Callable[[], None]) -> None:
        """Read from `store`; `changed` is called when a large DAG has been read."""
        self._store = store
        self._changed = changed
        self._known: dict[str, tuple[str, Graph | None]] = {}
        self._reading: dict[str, tuple[str, asyncio.Task[None]]] = {}
        self._workers = WorkerPool(
            graph_process.__name__, count=_AT_ONCE, per_share=1, seconds=SECONDS, memory=_MEMORY, waiting=_WAITING
        )

    async def load(self, conn: Connection, dag_ids: Sequence[str]) -> tuple[dict[str, Graph], set[str]]:
        """Read these DAGs as they are now; those that are not stored or cannot be read are missing from the result.

        Returns with them the ids of the DAGs that are being read.
        """
        versions = await self._store.versions(conn, dag_ids)
        if stale := [dag_id for dag_id in versions if self._known.get(dag_id, ("",))[0] != versions[dag_id]]:
            for row in await self._store.documents(conn, stale, _SMALL):
                if row["data"] is None:
                    self._begin(row["dag_id"], row["version"])
                else:
                    self._end(row["dag_id"])
                    self._keep(row)
        awaited = versions.keys() & self._reading.keys()
        ready = ((dag_id, self.recent(dag_id)) for dag_id in versions if dag_id not in awaited)
        return {dag_id: graph for dag_id, graph in ready if graph is not None}, awaited

    def recent(self, dag_id: str) -> Graph | None:
        """Return the DAG as it was read last."""
        return self._known.get(dag_id, ("", None))[1]

    async def close(self) -> None:
        """Stop reading."""
        tasks = [task for _, task in self._reading.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._workers.close()

    def _begin(self, dag_id: str, version: str) -> None:
        """Read a large DAG, unless that is done already."""
        if self._reading.get(dag_id, ("",))[0] != version:
            self._end(dag_id)
            self._reading[dag_id] = version, asyncio.create_task(self._read_large(dag_id, version))

    def _end(self, dag_id: str) -> None:
        """Stop reading what is another DAG by now."""
        if (reading := self._reading.pop(dag_id, None)) is not None:
            reading[1].cancel()

    async def _read_large(self, dag_id: str, version: str) -> None:
        try:
            while not await self._try(dag_id):  # noqa: ASYNC110 - each look takes a while itself
                await asyncio.sleep(_AGAIN)
        except (Unavailable, asyncpg.PostgresError) as error:
            # Whoever needs it next begins anew.
            _log.warning("a stored DAG waits for the database", dag_id=dag_id, reason=first_line(error))
        finally:
            if self._reading.get(dag_id, ("",))[0] == version:
                del self._reading[dag_id]
                self._changed()

    async def _try(self, dag_id: str) -> bool:
        """Read it in another process, and then here; whether there is nothing more to be tried."""
        row = await self._store.document(dag_id, _LARGEST)
        if row is None:
            return True
        reason = f"it has more than {_LARGEST} characters"
        if row["data"] is not None:
            try:
                await self._workers.call("read", row["data"].encode(), share=dag_id)
            except OffloadError as error:
                reason = str(error)
                if not isinstance(error, WorkFailed | OutOfMemory):
                    _log.warning("a stored DAG is not read for now, its runs wait", dag_id=dag_id, reason=reason)
                    return False
            else:
                self._keep(row)
                return True
        self._refuse(row, reason)
        return True

    def _keep(self, row: asyncpg.Record) -> None:
        try:
            self._known[row["dag_id"]] = row["version"], read_graph(row["dag_id"], row["data"], row["last_updated"])
        except (*MALFORMED, msgspec.MsgspecError) as error:
            self._refuse(row, repr(error))

    def _refuse(self, row: asyncpg.Record, reason: str) -> None:
        _log.error("a stored DAG cannot be read", dag_id=row["dag_id"], reason=reason)
        self._known[row["dag_id"]] = row["version"], None
