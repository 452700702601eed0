"""Roles: the tables of Flask-AppBuilder in an Airflow's database."""

from collections.abc import Sequence
from typing import NamedTuple

import asyncpg
import msgspec

from server.database.batch import Batcher
from server.database.catalogue import check_privileges
from server.database.database import Database
from server.database.settings import Settings
from server.errors import Unavailable
from windsock.protocol import Code

_STATEMENTS = ("user_permissions", "role_permissions")
_Request = tuple[str, tuple[object, ...]]
# No name in these tables is longer.
_LONGEST_NAME = 512


class Granted(msgspec.Struct, array_like=True, frozen=True):
    """An action on a resource, in that Airflow's words; `dag_ids` are the DAGs for which it counts, None for all."""

    action: str
    resource: str
    dag_ids: list[str] | None


class Held(msgspec.Struct, frozen=True):
    """The names of the roles that somebody has, and what these give."""

    roles: Sequence[str] = ()
    granted: Sequence[Granted] = ()


class Words(NamedTuple):
    """The actions and the resources that are asked for; everything else in the tables is left out."""

    actions: Sequence[str]
    resources: Sequence[str]


_GRANTED = msgspec.json.Decoder(list[Granted])


class Roles:
    """The roles of an Airflow's users."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Read the roles in `database`."""
        self.names_views = settings.generation.names_views
        self._database = database
        # Whoever has roles in some of the tables alone must not pass for somebody without any limits.
        self.exists = not settings.tables.isdisjoint({"ab_role", "ab_user_role", "ab_permission_view_role"})
        self._read: Batcher[_Request, asyncpg.Record] = settings.queue(_STATEMENTS[0], self._read_one)

    async def check(self) -> None:
        """Raise StartupError if the service may not read the tables."""
        async with self._database.connection() as connection:
            await check_privileges(connection, self._database.statements, self._require_tables())

    async def of_user(self, name: str, words: Words, *, or_email: bool) -> Held:
        """Return what an active user has, by the name that Airflow compares as it does at a login.

        Nothing for anybody else. With `or_email` an e-mail address is a name too, except in Airflow 1.10. Raises
        Unavailable.
        """
        return await self._held(_STATEMENTS[0], name, or_email, words=words)

    async def of_role(self, name: str, words: Words) -> Held | None:
        """Return what the role gives, None if there is no such role; raises Unavailable."""
        held = await self._held(_STATEMENTS[1], name, words=words)
        return held if held.roles else None

    async def _held(self, statement: str, name: str, *more: object, words: Words) -> Held:
        self._require_tables()
        if len(name) > _LONGEST_NAME or not _is_text(name):
            return Held()
        row = await self._read((statement, (name, *more, *words)))
        return Held(row["roles"], _GRANTED.decode(row["permissions"]))

    async def _read_one(self, requests: Sequence[_Request]) -> Sequence[asyncpg.Record]:
        return [row for name, arguments in requests for row in await self._database.fetch(name, *arguments)]

    def _require_tables(self) -> Sequence[str]:
        if not all(one in self._database.statements for one in _STATEMENTS):
            message = "This database has no tables of roles, since its last migration"
            raise Unavailable(message, code=Code.SCHEMA_CHANGED)
        return _STATEMENTS


def _is_text(name: str) -> bool:
    """Whether Postgres takes the name as a text."""
    return "\0" not in name and name.encode(errors="ignore").decode() == name
