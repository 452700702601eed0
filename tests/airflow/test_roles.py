"""The roles of an Airflow's users, read from its tables: whose they are, and what they give."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import asyncpg
import pytest

from server.auth import Identity
from server.auth.airflow_source import AirflowRoles
from server.auth.permissions import Permission, Permissions
from server.database.metadata import open_metadata
from server.database.roles import Roles, Words
from server.errors import StartupError
from tests.airflow.ab_tables import add_role, add_user, make_roles
from tests.airflow.real import until
from tests.airflow.schemas import RELEASES, copy_dag, generation_of, make_schema
from tests.airflow.serving import connected, prepare
from tests.live import config_for, live_server

READ, EDIT = Permission("can_read", "DAGs"), Permission("can_edit", "DAGs")
PAIRS = [
    ("can_read", "DAG:d"),
    ("can_edit", "DAG:d"),
    ("can_read", "DAG:DAGs"),
    ("can_read", "DAG Run:d"),
    ("can_read", "Task Instances"),
    ("menu_access", "DAGs"),
    ("can_read", "dags"),
    ("can_read", "DAG: d"),
]


@asynccontextmanager
async def roles_of(dsn: str) -> AsyncIterator[tuple[asyncpg.Connection, AirflowRoles, Roles]]:
    """Read the roles of a database; nothing is kept."""
    async with connected(dsn) as owner, open_metadata(config_for(dsn)) as metadata:
        yield owner, AirflowRoles(metadata, 0), metadata.roles


async def of(source: AirflowRoles, name: str | None, kind: str = "users") -> Permissions:
    """Return what somebody may do."""
    return await source.permissions(Identity(name), kind)


async def prepared(dsn: str, release: str) -> None:
    """Make a database of that release, and a user `Alice` who has a role with odd permissions."""
    await make_schema(dsn, release)
    async with connected(dsn) as owner:
        await make_roles(owner, {"odd": PAIRS, "all": [("can_read", "DAGs")], "nothing": []})
        await add_user(owner, "Alice", "odd", email="alice@x.org")


@pytest.mark.parametrize("release", RELEASES)
async def test_rows_give_what_they_say(empty_database: str, release: str) -> None:
    """Only whole names count; runs of a single DAG only where that Airflow knows such permissions."""
    await prepared(empty_database, release)
    async with roles_of(empty_database) as (_, source, _):
        alice = await of(source, "Alice")
    assert alice.roles == ("odd",)
    if generation_of(release) == 1:
        assert not alice.allows(READ)
        return
    assert alice.allows(READ, "d")
    assert alice.allows(EDIT, "d")
    assert not any(alice.allows(READ, other) for other in ("e", "DAGs", "d.e", "", "D"))
    assert not alice.allows(Permission("can_delete", "DAGs"))
    assert alice.allows(Permission("can_read", "Task Instances"), "e")
    of_runs = tuple(map(int, release.split("."))) >= (2, 10)
    assert alice.allows(Permission("can_read", "DAG Runs"), "d") == of_runs
    assert not alice.allows(Permission("can_read", "DAG Runs"), "e")


@pytest.mark.parametrize("release", ["1.10.15", "2.10.5", "3.3.2"])
async def test_names_are_compared_as_that_airflow_does(empty_database: str, release: str) -> None:
    """1.10 exactly; later ones in upper and lower case, and by e-mail, but a principal is no e-mail address."""
    await prepared(empty_database, release)
    async with roles_of(empty_database) as (owner, source, _):
        await add_user(owner, "bob", "odd", active=False)
        await add_user(owner, "carol", "odd")
        await add_user(owner, "CAROL", "all", email="c2@x.org")
        await add_user(owner, "none")
        await add_user(owner, "host/ci@X.ORG", "all", email="ci@x.org")
        await owner.execute("INSERT INTO ab_user (username, email, active) VALUES ('null', 'null', NULL)")
        later = generation_of(release) > 1
        found = {
            name: bool((await of(source, name)).roles)
            for name in (
                "Alice",
                "alice",
                "alice@x.org",
                "Alice@x.org",
                "bob",
                "none",
                "null",
                "x",
                "",
                "a\0",
                "\ud800",
            )
        }
        assert found == dict.fromkeys(found, False) | {"Alice": True} | (
            {"alice": later, "alice@x.org": later} if later else {}
        )
        assert (await of(source, "carol")).roles == (() if later else ("odd",))
        assert (await of(source, "host/ci@X.ORG", "principals")).roles == ("all",)
        for name, kind in (("alice@x.org", "principals"), ("Alice", "tokens"), (None, "users"), ("y" * 10**6, "users")):
            assert not (await of(source, name, kind)).roles


@pytest.mark.parametrize("release", RELEASES)
async def test_a_file_with_other_dags_is_not_shown(empty_database: str, release: str, role: str) -> None:
    """As in Airflow 2 and 3, whoever may not read all DAGs in a file may not read it."""
    async with connected(empty_database) as owner:
        await make_roles(owner, {})
        for name, dag_ids in (("one", "d"), ("both", "de")):
            if generation_of(release) == 1:
                pairs = [("can_dag_read", dag_id) for dag_id in dag_ids]
            else:
                pairs = [("can_read", f"DAG:{dag_id}") for dag_id in dag_ids]
            more = [("can_index", "Airflow"), ("can_code", "Airflow"), ("can_read", "DAG Code")]
            await add_role(owner, name, [*pairs, *more])
            await add_user(owner, name, name)
    dsn = await prepare(empty_database, release, role)
    found: list[int] = []
    async with live_server(dsn, auth_backend="tests.airflow.named") as url, aiohttp.ClientSession() as http:
        for name in ("one", "both", "one"):
            if len(found) == 1:
                await copy_dag(empty_database, "e")
            async with http.get(f"{url}/api/experimental/dags/d/code", headers={"X-Caller": name}) as answer:
                found.append(answer.status)
    assert found == [200, 200, 403]


async def test_a_change_counts_at_once(empty_database: str) -> None:
    """Nothing is kept for longer than it is told: a user who is deactivated has nothing more; tokens' roles follow."""
    await prepared(empty_database, "3.3.2")
    async with roles_of(empty_database) as (owner, source, _):
        assert (await of(source, "Alice")).allows(READ, "d")
        role = await source.role("odd")
        assert role is not None
        assert Permissions(role).allows(READ, "d")
        assert await source.role("nothing") is not None
        assert await source.role("Odd") is None
        await owner.execute(
            "DELETE FROM ab_permission_view_role WHERE role_id = (SELECT id FROM ab_role WHERE name = 'odd')"
        )
        assert not (await of(source, "Alice")).allows(READ)
        await owner.execute("INSERT INTO ab_user_role (user_id, role_id) SELECT 1, id FROM ab_role WHERE name = 'all'")
        assert (await of(source, "Alice")).allows(READ, "z")
        await owner.execute("UPDATE ab_user SET active = false")
        assert not (await of(source, "Alice")).roles


@pytest.mark.parametrize("release", ["1.10.15", "3.3.2"])
async def test_roles_that_come_while_it_serves_count(empty_database: str, release: str) -> None:
    """The RBAC interface of 1.10 or the auth manager of 3.x is switched on: the revision stays, and the tables come."""
    await make_schema(empty_database, release)
    async with (
        connected(empty_database) as owner,
        live_server(empty_database, auth_backend="tests.airflow.named") as url,
        aiohttp.ClientSession() as http,
    ):

        async def status(path: str) -> int:
            async with http.get(f"{url}{path}", headers={"X-Caller": "somebody"}) as answer:
                return answer.status

        assert await status("/api/experimental/dags") == 200
        await make_roles(owner, {})
        # It looks at the revision at once.
        await status("/health")

        async def is_refused() -> bool:
            return await status("/api/experimental/dags") == 403

        await until(is_refused, "the roles count")


@pytest.mark.parametrize("release", ["1.10.15", "3.3.2"])
async def test_roles_that_go_let_nobody_in(empty_database: str, release: str) -> None:
    """Somebody restores a backup: until the tables are there again, nobody may do anything; then the roles count."""
    await prepared(empty_database, release)
    async with (
        connected(empty_database) as owner,
        live_server(empty_database, auth_backend="tests.airflow.named", user_check_seconds="0") as url,
        aiohttp.ClientSession() as http,
    ):

        async def status() -> int:
            async with http.get(f"{url}/api/experimental/dags", headers={"X-Caller": "somebody"}) as answer:
                return answer.status

        assert await status() == 403
        tables = await owner.fetchval("SELECT string_agg(tablename, ', ') FROM pg_tables WHERE tablename LIKE 'ab\\_%'")
        await owner.execute(f"DROP TABLE {tables}")
        for _ in range(15):
            assert await status() == 503
            async with http.get(f"{url}/health"):
                await asyncio.sleep(0.2)
        await make_roles(owner, {})

        async def is_refused() -> bool:
            return await status() == 403

        await until(is_refused, "the roles count")


@pytest.mark.parametrize("release", ["1.10.15", "2.10.5", "3.3.2"])
async def test_rows_without_names_give_nothing(empty_database: str, release: str) -> None:
    """A resource without a name is not that of all DAGs; nobody has the roles of a user without one."""
    await prepared(empty_database, release)
    async with roles_of(empty_database) as (owner, source, _):
        for table, column in (("ab_view_menu", "name"), ("ab_permission", "name"), ("ab_user", "username")):
            await owner.execute(f"ALTER TABLE {table} ALTER {column} DROP NOT NULL")
        actions = ("can_read", "can_edit", "can_index", "can_paused", "can_dag_read", "can_dag_edit")
        await add_role(owner, "nameless", [(action, "x") for action in actions])
        await add_role(owner, "views", [(action, "Airflow") for action in actions[:4]])
        await add_user(owner, "bob", "nameless", "views")
        await owner.execute("UPDATE ab_view_menu SET name = NULL WHERE name = 'x'")
        await add_user(owner, "eve", "all", email="carol")
        await add_user(owner, "carol", "odd")
        await owner.execute("UPDATE ab_user SET username = NULL WHERE username = 'eve'")
        assert (await of(source, "bob")).roles == ("nameless", "views")
        for permission in (READ, EDIT):
            assert not (await of(source, "bob")).allows(permission)
        assert (await of(source, "carol")).roles == ("odd",)


async def test_a_hundred_thousand_permissions(empty_database: str) -> None:
    """They are one entry for each action and resource; those of single DAGs are none beside one for all."""
    await prepared(empty_database, "3.3.2")
    pairs = [(f"can_{action}", f"DAG:d{n}") for action in ("read", "edit", "delete") for n in range(30_000)]
    pairs += [("can_read", f"x{n}") for n in range(10_000)]
    async with roles_of(empty_database) as (owner, source, roles):
        await add_role(owner, "many", pairs)
        await add_user(owner, "busy", "many")
        busy = await of(source, "busy")
        assert busy.allows(EDIT, "d29999")
        assert not busy.allows(EDIT, "d30000")
        assert len(busy.grants) < 5
        await owner.execute("INSERT INTO ab_user_role (user_id, role_id) SELECT 2, id FROM ab_role WHERE name = 'all'")
        held = await roles.of_user("busy", Words(["can_read"], ["DAGs"]), or_email=False)
        assert [(one.action, one.resource, one.dag_ids) for one in held.granted] == [("can_read", "DAGs", None)]


@pytest.mark.parametrize("release", ["1.10.15", "3.3.2"])
async def test_without_the_tables_or_the_rights(empty_database: str, release: str, role: str) -> None:
    """`airflow` does not start without the tables; where they are, nothing starts that may not read them."""
    dsn = await prepare(empty_database, release, role)
    with pytest.raises(StartupError, match="no roles of users"):
        async with live_server(dsn, authorization="airflow"):
            pass
    async with connected(empty_database) as owner:
        await make_roles(owner, {})
    for authorization in ("airflow", "auto"):
        with pytest.raises(StartupError, match=r"ab_.*grants\.sql"):
            async with live_server(dsn, authorization=authorization, auth_backend="tests.airflow.named"):
                pass
    async with live_server(dsn, authorization="none", auth_backend="tests.airflow.named"):
        pass
