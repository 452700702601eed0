"""The DAGs that runs need, each version read only once."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
import structlog

from server.metadata import serialized
from server.metadata.connections import Connection
from server.scheduler.graph import Graph

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Graphs:
    """A cache that asks for the current version each time, so that an edited file takes effect at once."""

    def __init__(self, statements: dict[str, str]) -> None:
        self._sql = statements
        self._known: dict[str, tuple[str, Graph | None]] = {}

    async def load(self, conn: Connection, dag_ids: Sequence[str]) -> dict[str, Graph]:
        """Read these DAGs as they are now; those that are not stored or cannot be read are missing from the result."""
        rows = await conn.fetch(self._sql["versions"], dag_ids)
        versions = {row["dag_id"]: row["version"] for row in rows}
        if stale := [dag_id for dag_id in versions if self._known.get(dag_id, ("",))[0] != versions[dag_id]]:
            for row in await conn.fetch(self._sql["serialized"], stale):
                self._known[row["dag_id"]] = (row["version"], _read(row["dag_id"], row["data"], row["last_updated"]))
        known = {dag_id: self._known[dag_id][1] for dag_id in versions if dag_id in self._known}
        return {dag_id: graph for dag_id, graph in known.items() if graph is not None}

    def recent(self, dag_id: str) -> Graph | None:
        """Return the DAG as it was read last."""
        return self._known.get(dag_id, ("", None))[1]


def _read(dag_id: str, data: str, changed_at: datetime) -> Graph | None:
    try:
        dag = serialized.parse(dag_id, data)
        return Graph(dag, changed_at) if dag else None
    except (KeyError, TypeError, ValueError, msgspec.DecodeError) as error:
        _log.error("a stored DAG cannot be read", dag_id=dag_id, reason=repr(error))
        return None
