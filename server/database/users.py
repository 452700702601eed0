"""Users: the table `users` of Airflow 1.10 and of standalone databases, or `ab_user` of Airflow 2 and 3."""

from collections import Counter
from collections.abc import Callable, Sequence

import asyncpg
import msgspec

from server.database import statements
from server.database.batch import Batcher
from server.database.database import Database
from server.database.settings import Settings
from server.errors import BadRequest, StartupError, Unavailable
from windsock.protocol import Code


class User(msgspec.Struct, frozen=True):
    """The name of a user as the table spells it, and the stored hash, "" if there is none."""

    name: str
    password: str


class ListedUser(msgspec.Struct, frozen=True):
    """A user as `windsock list_users` shows it."""

    id: int
    username: str
    email: str | None
    superuser: bool | None
    roles: Sequence[str] = ()


class Users:
    """The users who may authenticate with a password."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Choose the table by the database's catalogue."""
        self._database = database.with_statements(statements.load("fragments.sql", "users.sql"))
        self.table = next((table for table in ("users", "ab_user") if table in settings.tables), None)
        self.has_roles = "windsock_user_role" in settings.tables
        """Whether the database can store roles of its users: a standalone one can."""
        self._plural = "ab_users" if self.table == "ab_user" else "users"
        self._find: Batcher[str, asyncpg.Record] = settings.batcher("find_users", self._find_many)
        self._find_roles: Batcher[str, Sequence[str]] = settings.batcher("find_roles", self._find_many_roles)

    def require_table(self) -> None:
        """Raise StartupError if the database has no table of users."""
        if self.table is None:
            raise StartupError(
                "[api] auth_backend = password_auth: this database has no table of users (neither `users` nor"
                " `ab_user`: a stock Airflow 3 keeps its users elsewhere); choose deny_all, kerberos_auth or a"
                " backend of your own, or give that Airflow its FAB auth manager"
            )

    async def find(self, name: str) -> User | None:
        """Return the user that Airflow means by that name; raises Unavailable, also if there is no table of users."""
        if self.table is None:
            message = "This database has no table of users, since its last migration"
            raise Unavailable(message, code=Code.SCHEMA_CHANGED)
        row = await self._find(name)
        return User(row["username"], row["password"] or "") if row["username"] is not None else None

    async def roles(self, name: str) -> Sequence[str]:
        """Return the roles that the database stores of a user; () if it stores none. Raises Unavailable."""
        return await self._find_roles(name) if self.has_roles else ()

    async def usual_method(self, method: Callable[[str], str | None]) -> str | None:
        """Return what `method` returns for most of the newest users' hashes; None without users."""
        if self.table is None:
            return None
        rows = await self._database.fetch(f"sample_{self._plural}")
        found = Counter(made_by for row in rows if (made_by := method(row["password"])))
        return found.most_common(1)[0][0] if found else None

    async def all(self) -> list[ListedUser]:
        """Return all users, by name; raises BadRequest if only Airflow manages the users."""
        self._require_ours("list")
        stored = await self._database.fetch("list_roles") if self.has_roles else []
        roles = {row["user_id"]: row["roles"] for row in stored}
        rows = await self._database.fetch("list_users")
        return [ListedUser(**row, roles=roles.get(row["id"], ())) for row in rows]

    async def create(self, name: str, email: str | None, password: str, roles: Sequence[str] = ()) -> None:
        """Create a user with that hash and these roles; raises BadRequest if the name is taken."""
        self._require_ours("create")
        if roles:
            self._require_roles()
            created = await self._database.fetchval("create_user_with_roles", name, email, password, roles)
        else:
            created = await self._database.fetchval("create_user", name, email, password)
        if created is None:
            raise BadRequest(f"User {name} exists already; `windsock change_password -u {name}` changes the password")

    async def add_role(self, name: str, role: str) -> bool:
        """Give the user a role; return whether that is new. Raises BadRequest if there is no such user."""
        return await self._change_role("add_role", name, role)

    async def remove_role(self, name: str, role: str) -> bool:
        """Take a role from the user; return whether the user had it. Raises BadRequest if there is no such user."""
        return await self._change_role("remove_role", name, role)

    async def change_password(self, name: str, password: str) -> None:
        """Give the user another hash; raises BadRequest."""
        self._require_ours("reset-password")
        if await self._database.fetchval("change_password", name, password) is None:
            raise BadRequest(f"User {name} not found")

    async def delete(self, name: str) -> None:
        """Delete the user; raises BadRequest."""
        self._require_ours("delete")
        if await self._database.fetchval("delete_user", name) is None:
            raise BadRequest(f"User {name} not found")

    def _require_ours(self, command: str) -> None:
        if self.table != "users":
            raise BadRequest(f"The users of this database are Airflow's: use `airflow users {command}` instead")

    def _require_roles(self) -> None:
        if not self.has_roles:
            raise BadRequest(
                "This database is an Airflow's and has no place for roles: name the user in [windsock] permissions_file"
            )

    async def _change_role(self, statement: str, name: str, role: str) -> bool:
        self._require_ours("add-role" if statement == "add_role" else "remove-role")
        self._require_roles()
        changed: int | None = await self._database.fetchval(statement, name, role)
        if changed is None:
            raise BadRequest(f"User {name} not found")
        return changed > 0

    async def _find_many_roles(self, names: Sequence[str]) -> Sequence[Sequence[str]]:
        return [row[0] for row in await self._database.fetch("find_roles", names)]

    async def _find_many(self, names: Sequence[str]) -> Sequence[asyncpg.Record]:
        return await self._database.fetch(f"find_{self._plural}", names)
