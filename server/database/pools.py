"""Pools: the `slot_pool` table."""

from collections.abc import Sequence

import asyncpg
import msgspec

from server.caching.single_flight import SingleFlight
from server.database.batch import Batcher
from server.database.database import Database
from server.database.settings import Settings
from server.errors import BadRequest, NotFound
from windsock.protocol import Code

DEFAULT_POOL = "default_pool"


class Pool(msgspec.Struct):
    """A pool as the API shows it."""

    description: str | None
    id: int
    pool: str
    slots: int


class Pools:
    """The `slot_pool` table."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Read and write the pools of `database`."""
        self.name_limit = settings.generation.pool_name_limit
        self._database = database
        self._find: Batcher[str, asyncpg.Record] = settings.batcher("find_pools", self._find_many)
        self._with_use: SingleFlight[bool, msgspec.Raw] = SingleFlight(self._read_with_use, fresh=True)
        self._list: Batcher[None, msgspec.Raw] = settings.shared("pools", self._read_all)

    async def get(self, name: str) -> Pool:
        """Return the pool of that name; raises NotFound."""
        return _pool(name, await self._find(name))

    async def all(self) -> msgspec.Raw:
        """Return every pool, ordered by id, as a list that Postgres has written."""
        return await self._list(None)

    async def all_with_use(self, *, shows_totals: bool) -> msgspec.Raw:
        """Return the same with how many slots are in use; without `shows_totals` that is null."""
        return await self._with_use(shows_totals)

    async def set(self, name: str, slots: int, description: str | None) -> Pool:
        """Create the pool, or change the one of that name."""
        return _pool(name, await self._database.fetchrow("set_pool", name, slots, description))

    async def create(self, name: str, slots: int, description: str | None) -> Pool | None:
        """Create the pool; None if there is one of that name."""
        row = await self._database.fetchrow("create_pool", name, slots, description)
        return None if row is None else _pool(name, row)

    async def change(self, name: str, slots: int, description: str | None) -> Pool | None:
        """Change the pool; None if there is none of that name."""
        row = await self._database.fetchrow("change_pool", name, slots, description)
        return None if row is None else _pool(name, row)

    async def delete(self, name: str) -> Pool:
        """Delete the pool and return what it was; raises NotFound, and BadRequest for default_pool."""
        if name == DEFAULT_POOL:
            raise BadRequest(f"{DEFAULT_POOL} cannot be deleted", code=Code.POOL_NOT_DELETABLE)
        return _pool(name, await self._database.fetchrow("delete_pool", name))

    async def _find_many(self, names: Sequence[str]) -> Sequence[asyncpg.Record]:
        return await self._database.fetch_each("find_pools", [(name,) for name in names])

    async def _read_with_use(self, shows_totals: bool) -> msgspec.Raw:  # noqa: FBT001 - the key of a shared call
        return msgspec.Raw(await self._database.fetchval("pools_with_use", shows_totals))

    async def _read_all(self, requests: Sequence[None]) -> Sequence[msgspec.Raw]:
        text: str = await self._database.fetchval("pools")
        return [msgspec.Raw(text)] * len(requests)


def _pool(name: str, row: asyncpg.Record | None) -> Pool:
    if row is None or row["id"] is None:
        raise NotFound(f"Pool '{name}' doesn't exist", Code.POOL_NOT_FOUND)
    return Pool(description=row["description"], id=row["id"], pool=row["pool"], slots=row["slots"])
