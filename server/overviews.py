"""The operations that show many rows at once, as a page for people needs them; `Operations` has them all."""

from collections.abc import Sequence

from server import wire
from server.database.metadata import Metadata
from server.wire import Grid, GridQuery
from server.wire.dag_patterns import Readable


class Overviews:
    """Operations on one database; each raises what the API answers as an error: a WindsockError."""

    def __init__(self, metadata: Metadata) -> None:
        """Work on `metadata`."""
        self._metadata = metadata

    async def grid(self, dag_id: str, query: GridQuery) -> tuple[Grid, bool]:
        """Return runs of a DAG with the states of their tasks, and whether there are older ones."""
        return await self._metadata.grids.get(wire.check_id(dag_id, "dag_id"), query)

    async def _dag_ids(self, readable: Readable | None) -> Sequence[str] | None:
        return None if readable is None else await self._metadata.dags.readable.ids(readable)
