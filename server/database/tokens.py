"""The bearer tokens of a standalone database, for the backend `token_auth` and the commands."""

from collections.abc import Collection
from datetime import date, datetime

import msgspec

from server.database import statements
from server.database.database import Database
from server.database.settings import Settings
from server.errors import BadRequest, StartupError, Unavailable
from windsock.protocol import Code

MOST_TOKENS = 10_000


class Token(msgspec.Struct, frozen=True):
    """A token as it is stored: `digest` is the SHA-256 of its text, which nobody has any more.

    `dags` are dag_ids and patterns; None means all DAGs. `expires` is None if it never does.
    """

    name: str
    digest: bytes
    role: str
    dags: list[str] | None
    created: datetime
    expires: datetime | None = None
    last_used: date | None = None


class TokenTable:
    """The tokens in the table `windsock_token`."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Use the table, if this is a database of Windsock's own."""
        self._database = database.with_statements(statements.load("tokens.sql"))
        self._standalone = settings.standalone

    def require_table(self) -> None:
        """Raise StartupError if the database has no such table."""
        if not self._standalone:
            raise StartupError(
                "[windsock] tokens_file is not set: beside an Airflow tokens are in a file, because Windsock adds no"
                " table to its database; `windsock create_token` makes the file"
            )

    async def all(self) -> list[Token]:
        """Return all tokens, by name; raises Unavailable."""
        if not self._standalone:
            message = "This database has no table of tokens, since its last migration"
            raise Unavailable(message, code=Code.SCHEMA_CHANGED)
        return [Token(**row) for row in await self._database.fetch("list_tokens")]

    async def create(self, token: Token) -> None:
        """Add a token; raises BadRequest if its name is taken, or if there are too many."""
        values = (token.name, token.digest, token.role, token.dags, token.created, token.expires, MOST_TOKENS)
        if await self._database.fetchval("create_token", *values) is None:
            known = {each.name for each in await self.all()}
            raise BadRequest(taken(token.name) if token.name in known else too_many())

    async def revoke(self, name: str) -> None:
        """Remove a token; raises BadRequest if there is none of that name."""
        if await self._database.fetchval("revoke_token", name) is None:
            raise BadRequest(unknown(name))

    async def note_used(self, digests: Collection[bytes], day: date) -> None:
        """Write that these tokens were used on a day."""
        await self._database.fetch("note_tokens_used", list(digests), day)


def taken(name: str) -> str:
    """Say that there is such a token."""
    return f"Token {name} exists already; `windsock revoke_token --name {name}` removes it"


def too_many() -> str:
    """Say that there is no room."""
    return f"There are {MOST_TOKENS} tokens, and there cannot be more: revoke those that nobody uses"


def unknown(name: str) -> str:
    """Say that there is no such token."""
    return f"Token {name} not found"
