"""Which DAGs a user may read who may not read all of them.

Up to Airflow 2.7 the permissions of a sub-DAG are those of its root; in 1.10, and from 2.8 on, it has its own.
"""

import asyncio
from collections.abc import Iterable, Sequence

from server.caching.single_flight import SingleFlight
from server.database.batch import Batcher
from server.database.database import Database
from server.database.settings import Settings
from server.wire.dag_patterns import Readable

# About a millisecond's.
_COMPARISONS = 2000
_LIKE = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_", "*": "%"})


class ReadableDags:
    """Finds the DAGs that somebody's permissions are about."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Read the tables `dag` and `dag_run` of `database`."""
        self._database = database
        self._looks_for_roots = "find_roots" in database.statements
        self._root: Batcher[str, str] = settings.batcher("find_roots", self._find_roots)
        # Users who have the same permissions, and ask at the same time, share the look at the table.
        self._ids: SingleFlight[Readable, list[str]] = SingleFlight(self._read, fresh=True)

    async def root(self, dag_id: str) -> str:
        """Return the id of the DAG whose permissions count for this one: of a sub-DAG that of its root."""
        return await self._root(dag_id) if self._looks_for_roots and "." in dag_id else dag_id

    async def roots(self, dag_ids: Iterable[str]) -> dict[str, str]:
        """Return the same for many ids; ids that may be those of sub-DAGs cost one statement together."""
        roots = {dag_id: dag_id for dag_id in dag_ids}
        doubtful = [dag_id for dag_id in roots if "." in dag_id] if self._looks_for_roots else []
        if doubtful:
            roots.update(zip(doubtful, await self._find_roots(doubtful), strict=True))
        return roots

    async def ids(self, readable: Readable) -> list[str]:
        """Return the ids of the readable DAGs and sub-DAGs."""
        return await self._ids(readable)

    async def ids_with_runs(self, readable: Readable) -> list[str]:
        """Return the same ids, and those that only runs have: Airflow keeps the runs when it forgets a DAG."""
        candidates = readable.candidates
        found = await self.ids(readable)
        if candidates.patterns:
            rows = await self._database.fetch("readable_dags_of_runs", _like(candidates.patterns))
            found = [*found, *await _readable(readable, [(row[0], row[0]) for row in rows])]
        return found

    async def is_whole_file(self, dag_id: str, readable: Readable) -> bool:
        """Whether all DAGs in the file of this one are readable."""
        rows = await self._database.fetch("dags_of_file", dag_id)
        return all(readable.matches(row["root_dag_id"]) for row in rows)

    async def _find_roots(self, dag_ids: Sequence[str]) -> Sequence[str]:
        rows = await self._database.fetch_each("find_roots", [(dag_id,) for dag_id in dag_ids])
        return [row[0] for row in rows]

    async def _read(self, readable: Readable) -> list[str]:
        candidates = readable.candidates
        rows = await self._database.fetch("readable_dags", sorted(candidates.ids), _like(candidates.patterns))
        unknown = candidates.ids - {row["dag_id"] for row in rows}
        pairs = [*((dag_id, dag_id) for dag_id in unknown), *((row["dag_id"], row["root_dag_id"]) for row in rows)]
        return await _readable(readable, pairs)


async def _readable(readable: Readable, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Return the first of each pair whose second, the id of the root, is readable; others have their turn meanwhile."""
    found: list[str] = []
    step = max(1, _COMPARISONS // (1 + len(readable.candidates.patterns)))
    for start in range(0, len(pairs), step):
        found += [dag_id for dag_id, root in pairs[start : start + step] if readable.matches(root)]
        await asyncio.sleep(0)
    return found


def _like(patterns: Sequence[str]) -> list[str]:
    """Write patterns as LIKE has them."""
    return [pattern.translate(_LIKE) for pattern in patterns]
