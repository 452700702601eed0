"""The operations that show many rows at once, as a page for people needs them; `Operations` has them all."""

from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple

from msgspec import Raw

from server import wire
from server.database.metadata import Metadata
from server.wire import DagsQuery, Grid, GridQuery, Versions
from server.wire.dag_patterns import Readable


class Listing(NamedTuple):
    """A list: pages of JSON objects, and how many there are in all if the caller asked for a part of them."""

    pages: AsyncGenerator[Sequence[str], None]
    total: int | None


class Overviews:
    """Operations on one database; each raises what the API answers as an error: a WindsockError."""

    def __init__(self, metadata: Metadata) -> None:
        """Work on `metadata`."""
        self.metadata = metadata

    async def list_dags(self, query: DagsQuery, readable: Readable | None, readable_runs: Readable | None) -> Listing:
        """List the DAGs that are `readable` (None: all), without sub-DAGs; runs only of DAGs in `readable_runs`."""
        if not query.is_plain:
            found = await self.metadata.dag_list.find(query, readable, readable_runs)
            return Listing(_one_page(found.items), found.total)
        dags, page, dag_ids = self.metadata.dags, query.page, await self.dag_ids_of(readable)
        total = await dags.count(dag_ids) if page.partial else None
        return Listing(dags.pages(page.limit, page.offset, descending=page.descending, readable=dag_ids), total)

    async def dag_tags(self, readable: Readable | None) -> list[str]:
        """Return the tags of the active DAGs that are `readable` (None: all)."""
        return await self.metadata.dag_list.tags(readable)

    async def grid(self, dag_id: str, query: GridQuery) -> tuple[Grid, bool]:
        """Return runs of a DAG with the states of their tasks, and whether there are older ones."""
        return await self.metadata.grids.get(wire.check_id(dag_id, "dag_id"), query)

    async def list_tasks(self, dag_id: str, *, details: bool = False) -> Raw:
        """Return the DAG's tasks, as a list of objects; with details in topological order, and more about each."""
        dag = await self.metadata.dags.get(wire.check_id(dag_id, "dag_id"))
        return Raw(dag.known.task_details if details else dag.known.task_list)

    async def list_pools(self, *, details: bool = False, shows_totals: bool = True) -> Raw:
        """Return all pools by id, as a list of objects; with details how many slots are in use, or else nulls."""
        pools = self.metadata.pools
        return await pools.all_with_use(shows_totals=shows_totals) if details else await pools.all()

    async def versions(self) -> Versions:
        """Return the versions of the service, of the database, and of its schema."""
        return await self.metadata.versions()

    async def dag_ids_of(self, readable: Readable | None) -> Sequence[str] | None:
        """Return the ids of these DAGs; None: of all."""
        return None if readable is None else await self.metadata.dags.readable.ids(readable)


async def _one_page(items: Sequence[str]) -> AsyncGenerator[Sequence[str], None]:
    yield items
