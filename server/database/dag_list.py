"""The list of DAGs as a page for people needs it: narrowed down, in several orders, with the last runs of each."""

from collections.abc import Sequence
from typing import NamedTuple

import asyncpg
import msgspec

from server.caching.single_flight import SingleFlight
from server.database.batch import Batcher
from server.database.database import DagIds, Database, ordered
from server.database.readable import ReadableDags
from server.database.settings import Settings
from server.wire.dag_patterns import Readable
from server.wire.dag_search import DagsQuery
from server.wire.shapes import ListedDag, ListedRun

_USUAL = ("dag_id", "is_active", "is_paused", "next_dagrun", "owners", "schedule_interval", "tags")
_DETAILS = ("description", "has_import_error", "next_dagrun_create_after", "timetable_description")
_ENCODER = msgspec.json.Encoder(order="sorted")


class FoundDags(NamedTuple):
    """A part of the DAGs that were looked for, each a JSON object, and how many there are in all."""

    items: Sequence[str]
    total: int


class _Asked(NamedTuple):
    """What is looked for among `readable` DAGs, with the runs of those in `readable_runs`; None: all."""

    query: DagsQuery
    readable: Readable | None
    readable_runs: Readable | None


class DagList:
    """Reads the tables `dag`, `dag_tag`, `dag_run` and `import_error`."""

    def __init__(self, database: Database, settings: Settings, readable: ReadableDags) -> None:
        """Read the DAGs of `database`; `readable` knows whose they are."""
        self._database = database
        self._readable = readable
        # Many pages look again at the same time when a run has ended.
        self._find: SingleFlight[_Asked, FoundDags] = SingleFlight(self._read, fresh=True)
        self._tags: SingleFlight[Readable | None, list[str]] = SingleFlight(self._read_tags, fresh=True)
        self._rows: Batcher[tuple[object, ...], list[asyncpg.Record]] = settings.queue("found_dags", self._read_rows)

    async def find(self, query: DagsQuery, readable: Readable | None, readable_runs: Readable | None) -> FoundDags:
        """Return the DAGs that are as the query says, and `readable` (None: all); of others nothing is told or counted.

        Runs of DAGs that are not among `readable_runs` (None: all) are not told of, nor do they match a state.
        """
        return await self._find(_Asked(query, readable, readable_runs))

    async def tags(self, readable: Readable | None) -> list[str]:
        """Return the tags of the active DAGs that are `readable` (None: all), sorted; at most 10,000."""
        return await self._tags(readable)

    async def _read(self, asked: _Asked) -> FoundDags:
        query, page = asked.query, asked.query.page
        dag_ids, with_runs = await self._ids(asked.readable), await self._ids(asked.readable_runs)
        rows = await self._rows(
            (
                ordered("found_dags", descending=page.descending),
                *(page.limit, page.offset, dag_ids, *query.conditions, with_runs, page.order_by, query.details),
            )
        )
        shown = [_listed(row, details=query.details) for row in rows if row["dag_id"] is not None]
        return FoundDags([_ENCODER.encode(one).decode() for one in shown], rows[0]["total"])

    async def _read_tags(self, readable: Readable | None) -> list[str]:
        return [row["name"] for row in await self._database.fetch("dag_tags", await self._ids(readable))]

    async def _ids(self, readable: Readable | None) -> DagIds | None:
        return None if readable is None else await self._readable.ids(readable)

    async def _read_rows(self, keys: Sequence[tuple[object, ...]]) -> Sequence[list[asyncpg.Record]]:
        ((name, *arguments),) = keys
        return [await self._database.fetch(str(name), *arguments)]


def _listed(row: asyncpg.Record, *, details: bool) -> ListedDag:
    listed = ListedDag(**{name: row[name] for name in _USUAL})
    if details:
        for name in _DETAILS:
            setattr(listed, name, row[name])
        runs, states = row["last_runs"], row["run_states"]
        listed.last_runs = None if runs is None else msgspec.json.decode(runs, type=list[ListedRun])[::-1]
        listed.run_states = None if states is None else msgspec.json.decode(states, type=dict[str, int])
    return listed
