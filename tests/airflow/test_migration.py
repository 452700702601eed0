"""A database is migrated underneath a service: it refuses for so long, serves the new schema, and loses nothing."""

import asyncio
from contextlib import suppress

import aiohttp
import asyncpg
import bcrypt
import pytest

from server.database.generations import RELEASES as REVISIONS
from server.local_client import LocalClient
from tests.airflow.load import Load, loaded, lost, until_refused, until_served
from tests.airflow.serving import GRANTS, Api, connected, prepare
from tests.integration.passwords import basic
from tests.live import config_for, live_server
from windsock.client import Unreachable

REVISION_OF = {release: revision for revision, release in REVISIONS.items()}
# The step of 3.2's migration that rows of a run must not lack, forth and back.
FORTH = f"""
ALTER TABLE dag_run ADD created_at timestamptz;
UPDATE dag_run SET created_at = now();
UPDATE alembic_version SET version_num = '{REVISION_OF["3.2"]}';
"""
BACK = f"""
ALTER TABLE dag_run DROP created_at;
UPDATE alembic_version SET version_num = '{REVISION_OF["3.1.8"]}';
"""


async def set_revision(owner: asyncpg.Connection, revision: str) -> str:
    before: str = await owner.fetchval("SELECT version_num FROM alembic_version")
    await owner.execute("UPDATE alembic_version SET version_num = $1", revision)
    return before


async def drop_schema(owner: asyncpg.Connection) -> None:
    """Leave an empty database, however often the callers' statements are in the way."""
    while True:
        with suppress(asyncpg.DeadlockDetectedError):
            await owner.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            return


@pytest.mark.slow
async def test_another_schema_is_served_by_itself(empty_database: str, role: str) -> None:
    """From generation to generation, in both directions, under load: nobody sees anything but answers and 503."""
    dsn = await prepare(empty_database, "1.10.15", role)
    async with connected(empty_database) as owner, live_server(dsn) as url, loaded(url) as load:
        await until_served(load)
        for release in ("2.9.3", "3.1.8", "3.3.2", "2.10.5"):
            await drop_schema(owner)
            await until_refused(load)
            refused = load.statuses[503]
            await prepare(empty_database, release, role)
            await until_served(load)
            assert load.statuses[503] >= refused
            # A trigger that began before the schema was dropped may be told of later.
            stored = len(load.stored)
            await until_served(load)
            assert await lost(owner, load.stored[stored:]) == set()


@pytest.mark.slow
async def test_no_run_is_lost_and_none_lacks_a_new_column(empty_database: str, role: str) -> None:
    """A column comes, and goes, between two statements: each row has it, and what was answered is there."""
    dsn = await prepare(empty_database, "3.1.8", role)
    async with connected(empty_database) as owner, live_server(dsn) as url, loaded(url, callers=32) as load:
        await until_served(load)
        for step in (FORTH, BACK, FORTH):
            before = len(load.stored)
            async with owner.transaction():
                await owner.execute(step)
            await until_served(load)
            assert len(load.stored) > before
            assert await lost(owner, load.stored) == set()
            if step is FORTH:
                assert await owner.fetchval("SELECT count(*) FROM dag_run WHERE created_at IS NULL") == 0


async def test_a_lost_table_is_looked_for(empty_database: str, role: str) -> None:
    """What fails over a table is a 503, whatever the revision says; the service waits until there is one."""
    dsn = await prepare(empty_database, "2.10.5", role)
    async with connected(empty_database) as owner, live_server(dsn) as url, aiohttp.ClientSession() as session:
        load = Load(url, session)
        await until_served(load)
        await owner.execute("ALTER TABLE slot_pool RENAME TO hidden")
        assert await load.call("GET", "/pools") == 503
        assert await load.health() == "unhealthy"
        await owner.execute("ALTER TABLE hidden RENAME TO slot_pool")
        await until_served(load)
        assert await load.call("GET", "/pools") == 200
        assert load.wrong == []


async def test_a_stale_plan_is_no_error_of_ours(empty_database: str, role: str) -> None:
    """A column got another type: what was prepared before in this connection is of no use, and is made anew."""
    dsn = await prepare(empty_database, "2.10.5", role)
    one = live_server(dsn, pool_min_size="1", pool_max_size="1")
    async with connected(empty_database) as owner, one as url, aiohttp.ClientSession() as session:
        load = Load(url, session)
        assert await load.call("GET", "/dags/d/paused/true") == 200
        await owner.execute("ALTER TABLE dag ALTER dag_id TYPE text")
        await load.call("GET", "/dags/d/paused/false")
        assert await load.call("GET", "/dags/d/paused/false") == 200
        assert load.wrong == []


async def test_an_unknown_revision_is_refused_in_clear_words(empty_database: str, role: str) -> None:
    """It is named; with a known one the service goes on."""
    dsn = await prepare(empty_database, "3.1.8", role)
    async with connected(empty_database) as owner, live_server(dsn) as url, aiohttp.ClientSession() as session:
        api, load = Api(url, session), Load(url, session)
        known = await set_revision(owner, "cafecafecafe")
        await until_refused(load)
        async with asyncio.timeout(30):
            while "no Airflow that Windsock knows" not in (answer := await api.trigger())[1]["error"]:
                await asyncio.sleep(0.1)
        assert answer[0] == 503
        assert "cafecafecafe" in answer[1]["error"]
        await set_revision(owner, known)
        await until_served(load)


async def test_what_has_just_been_migrated_is_not_deleted(empty_database: str, role: str) -> None:
    """The tables that a delete has to do with are those of the release before: nothing is deleted."""
    dsn = await prepare(empty_database, "3.1.8", role)
    async with connected(empty_database) as owner, live_server(dsn) as url, aiohttp.ClientSession() as session:
        await set_revision(owner, REVISION_OF["3.2"])
        status, answer = await Api(url, session).call("DELETE", "/dags/d")
        assert (status, "being migrated" in answer["error"]) == (503, True)
        assert await owner.fetchval("SELECT count(*) FROM dag_tag") == 2


async def test_missing_privileges_are_named(empty_database: str, role: str) -> None:
    """One alone is a 503 for whoever needs it; after a migration nothing is served without what matters most."""
    dsn = await prepare(empty_database, "3.1.8", role)
    async with connected(empty_database) as owner, live_server(dsn) as url, aiohttp.ClientSession() as session:
        api, load = Api(url, session), Load(url, session)
        await owner.execute(f"REVOKE INSERT ON dag_run FROM {role}")
        status, answer = await api.trigger()
        assert status == 503
        assert answer["error"] == (
            "The database refuses the role of this service: permission denied for table dag_run;"
            " run deploy/grants.sql again"
        )
        assert (await api.call("GET", "/pools"))[0] == 200
        await owner.execute(FORTH)
        await until_refused(load)
        async with asyncio.timeout(30):
            while "grants.sql" not in (await api.call("GET", "/pools"))[1].get("error", ""):
                await asyncio.sleep(0.1)
        await owner.execute(f"SET windsock.role = '{role}'; {GRANTS.read_text('utf-8')}")
        await until_served(load)
        assert await owner.fetchval("SELECT count(*) FROM dag_run WHERE created_at IS NULL") == 0


async def test_passwords_are_looked_up_where_they_are(empty_database: str, role: str) -> None:
    """1.10 has them in `users`, 2.x in `ab_user`; without a table of users they are 503."""
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    users = "CREATE TABLE users (id serial PRIMARY KEY, username text, email text, password text, superuser boolean)"
    ab_users = "CREATE TABLE ab_user (id serial PRIMARY KEY, username text, email text, password text, active boolean)"

    async def migrate(release: str, table: str, name: str) -> None:
        async with connected(empty_database) as owner:
            await drop_schema(owner)
            if table:
                await owner.execute(table)
                await owner.execute(
                    f"INSERT INTO {table.split()[2]} (username, email, password) VALUES ($1, $1, $2)", name, hashed
                )
            if table is ab_users:
                await owner.execute("UPDATE ab_user SET active = true")
        await prepare(empty_database, release, role)

    await migrate("1.10.15", users, "ann")
    dsn = empty_database.replace("//windsock@", f"//{role}@")
    options = {"auth_backend": "password_auth", "user_check_seconds": "0", "verified_seconds": "0"}
    async with live_server(dsn, **options) as url, aiohttp.ClientSession() as session:

        async def until_answered(name: str, wanted: int) -> None:
            async with asyncio.timeout(30):
                while True:
                    async with session.get(f"{url}/api/experimental/pools", headers=basic(name, "secret")) as answer:
                        assert answer.status != 500
                        if answer.status == wanted:
                            return
                    await asyncio.sleep(0.1)

        await until_answered("ann", 200)
        await migrate("2.10.5", ab_users, "bob")
        await until_answered("bob", 200)
        await until_answered("ann", 403)
        await migrate("3.3.2", "", "")
        async with asyncio.timeout(30):
            while await Load(url, session).health() != "healthy":
                await asyncio.sleep(0.1)
        await until_answered("bob", 503)


async def test_a_program_on_the_database_itself_goes_on(empty_database: str, role: str) -> None:
    """`connect()` with the local client: what meets the migration fails, the next call looks at the database anew."""
    dsn = await prepare(empty_database, "3.1.8", role)
    client = LocalClient(config_for(dsn))

    def trigger(number: int) -> None:
        client.trigger_dag("d", run_id=f"r{number}", execution_date=f"2024-01-0{number}")

    try:
        async with connected(empty_database) as owner:
            await asyncio.to_thread(trigger, 1)
            await owner.execute(FORTH)
            with pytest.raises(Unreachable, match="being migrated"):
                await asyncio.to_thread(trigger, 2)
            await asyncio.to_thread(trigger, 2)
            assert await owner.fetchval("SELECT count(*) FROM dag_run WHERE created_at IS NOT NULL") == 2
    finally:
        await asyncio.to_thread(client.close)
