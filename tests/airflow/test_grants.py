"""deploy/grants.sql is what the statements need on every supported schema: enough, and nothing more."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import asyncpg
import pytest

from server.database import statements
from server.database.catalogue import read_catalogue
from tests.airflow.ab_tables import make_roles
from tests.airflow.schemas import RELEASES, generation_of
from tests.airflow.serving import GRANTS, connected, prepare

# The owner's, as docs/beside-your-airflow.md has it: the commands that change users.
_OF_THE_OWNER = {"create_user", "change_password", "delete_user"}
_PRIVILEGES = """
SELECT c.relname AS name, acl.privilege_type AS privilege, NULL AS part
FROM pg_class AS c, aclexplode(c.relacl) AS acl
WHERE c.relkind IN ('r', 'p') AND acl.grantee = $1::regrole
UNION ALL
SELECT c.relname, acl.privilege_type, a.attname
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid, aclexplode(a.attacl) AS acl
WHERE acl.grantee = $1::regrole
"""
_SEQUENCES = """
SELECT c.relname FROM pg_class AS c, aclexplode(c.relacl) AS acl
WHERE c.relkind = 'S' AND acl.grantee = $1::regrole
"""
_SEQUENCES_OF_INSERTS = """
SELECT DISTINCT s.relname FROM pg_class AS c, aclexplode(c.relacl) AS acl, pg_depend AS d, pg_class AS s
WHERE acl.grantee = $1::regrole AND acl.privilege_type = 'INSERT' AND d.refobjid = c.oid
    AND d.objid = s.oid AND s.relkind = 'S'
"""
# What the schemas here leave out; the roles come from a file.
_USERS = "CREATE TABLE users (id serial PRIMARY KEY, username text, email text, password text, superuser boolean)"


class Privilege(NamedTuple):
    """What was granted; `part` is a column."""

    name: str
    privilege: str
    part: str | None

    def __str__(self) -> str:
        """Write it as GRANT and REVOKE have it."""
        return f"{self.privilege}{f' ({self.part})' if self.part else ''} ON TABLE {self.name}"


async def statements_of(dsn: str) -> Mapping[str, str]:
    """Every statement that Windsock sends to an Airflow's database."""
    async with connected(dsn) as connection:
        database = await read_catalogue(connection, allow_unknown=False)
    tables = database.tables
    found = {name: text for name, text in database.statements.items() if not _lacks_table(name, "delete_dag.", tables)}
    for name, text in statements.load("fragments.sql", "users.sql").items():
        table = "ab_user" if "ab_user" in name else "users"
        # Only standalone databases have tables of Windsock's own.
        if table in tables and name not in _OF_THE_OWNER and "windsock_" not in text:
            found[name] = text
    return found


def _lacks_table(name: str, prefix: str, tables: frozenset[str]) -> bool:
    return name.startswith(prefix) and name.removeprefix(prefix) not in tables


async def prepared(dsn: str, release: str, role: str) -> str:
    """Make a database of that release, with users, roles and the log, and give the role its grants; the role's DSN."""
    async with connected(dsn) as owner:
        await make_roles(owner, {})
        if generation_of(release) == 1:
            await owner.execute(_USERS)
    return await prepare(dsn, release, role)


async def refusal(connection: asyncpg.Connection, statement: str) -> str | None:
    """Why the role may not run a statement; Postgres checks that before anything is done, so it is only explained."""
    if not re.match(r"(?:--.*\n|\s)*(?:SELECT|WITH|INSERT|UPDATE|DELETE)", statement):
        return None
    # A plan for these NULLs might leave out, unchecked, what they make empty.
    await connection.execute(f"SET plan_cache_mode = force_generic_plan; PREPARE one AS {statement}")
    try:
        types = await connection.fetchval("SELECT parameter_types FROM pg_prepared_statements WHERE name = 'one'")
        arguments = f"({', '.join(['NULL'] * len(types))})" if types else ""
        await connection.execute(f"EXPLAIN EXECUTE one{arguments}")
    except asyncpg.InsufficientPrivilegeError as error:
        return str(error)
    finally:
        await connection.execute("DEALLOCATE one")
    return None


@pytest.mark.parametrize("release", RELEASES)
async def test_the_grants_suffice(empty_database: str, release: str, role: str) -> None:
    """Every statement may be run."""
    dsn = await prepared(empty_database, release, role)
    named = await statements_of(empty_database)
    async with connected(dsn) as connection:
        refused = {name: why for name, text in named.items() if (why := await refusal(connection, text))}
    assert refused == {}


@pytest.mark.parametrize("release", RELEASES)
async def test_no_grant_is_idle(empty_database: str, release: str, role: str) -> None:
    """Without any of them some statement is refused: each column that may be read is read."""
    dsn = await prepared(empty_database, release, role)
    named = await statements_of(empty_database)
    idle = []
    async with connected(dsn) as connection, connected(empty_database) as owner:
        granted = [Privilege(*row) for row in await owner.fetch(_PRIVILEGES, role)]
        assert len(granted) > 50
        for one in granted:
            concerned = [text for text in named.values() if re.search(rf"\b{one.name}\b", text)]
            await owner.execute(f"REVOKE {one} FROM {role}")
            if not any([await refusal(connection, text) for text in concerned]):
                idle.append(str(one))
            await owner.execute(f"GRANT {one} TO {role}")
        sequences = {row[0] for row in await owner.fetch(_SEQUENCES, role)}
        assert sequences == {row[0] for row in await owner.fetch(_SEQUENCES_OF_INSERTS, role)}
    assert idle == []


async def test_the_grants_can_be_repeated(empty_database: str, role: str) -> None:
    """What an earlier version gave and nothing needs is taken back."""
    await prepared(empty_database, "2.10.5", role)
    async with connected(empty_database) as owner:
        before = {tuple(row) for row in await owner.fetch(_PRIVILEGES, role)}
        await owner.execute(f"GRANT SELECT ON dag_run, task_instance, ab_user TO {role}; GRANT UPDATE ON dag TO {role}")
        await owner.execute(f"SET windsock.role = '{role}'; {GRANTS.read_text('utf-8')}")
        assert {tuple(row) for row in await owner.fetch(_PRIVILEGES, role)} == before
