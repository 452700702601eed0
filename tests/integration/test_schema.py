import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from server.database import schema
from server.database.schema import SchemaError, check_schema, initdb, load_schema, parse_schema
from windsock.config import Dsn

MARKER = "CREATE TABLE IF NOT EXISTS windsock_schema (version int PRIMARY KEY);"
SCHEMA_SQL = Path(__file__).parents[2] / "schema.sql"


@asynccontextmanager
async def connected(dsn: Dsn) -> AsyncIterator[asyncpg.Connection]:
    """Open a connection for a block."""
    conn = await asyncpg.connect(**dsn.connect_arguments())
    try:
        yield conn
    finally:
        await conn.close()


@pytest.fixture
def empty(empty_database: str) -> Dsn:
    """Give the address of an empty database as the configuration has it."""
    return Dsn.parse(empty_database)


async def test_ten_at_once_do_no_harm(empty: Dsn) -> None:
    """Of ten that start together one applies the schema, and all of them succeed."""
    applied = await asyncio.gather(*(initdb(empty) for _ in range(10)))
    versions = [section.version for section in load_schema().sections]
    assert sorted(applied) == [[]] * 9 + [versions]
    async with connected(empty) as conn:
        await check_schema(conn)
        assert await conn.fetchval("SELECT array_agg(version ORDER BY version) FROM windsock_schema") == versions


async def test_the_default_pool_is_made_once(empty: Dsn) -> None:
    """A new database has 128 slots; whoever changed that is not overruled."""
    await initdb(empty)
    async with connected(empty) as conn:
        pools = await conn.fetch("SELECT pool, slots FROM slot_pool")
        assert [tuple(row) for row in pools] == [("default_pool", 128)]
        await conn.execute("UPDATE slot_pool SET slots = 3")
        assert await initdb(empty) == []
        await conn.execute(SCHEMA_SQL.read_text())
        assert await conn.fetchval("SELECT slots FROM slot_pool") == 3


async def test_the_file_alone_is_enough(empty: Dsn) -> None:
    """Who applies the file with psql gets the same database as by initdb, marker included."""
    async with connected(empty) as conn, conn.transaction():
        await conn.execute(SCHEMA_SQL.read_text())
        await check_schema(conn)
    assert await initdb(empty) == []


async def test_airflows_database_is_left_alone(empty: Dsn) -> None:
    """Neither initdb nor the file itself creates anything beside an Airflow."""
    async with connected(empty) as conn:
        await conn.execute("CREATE TABLE alembic_version (version_num text)")
        with pytest.raises(SchemaError, match="belongs to an Airflow"):
            await initdb(empty)
        with pytest.raises(asyncpg.RaiseError, match="belongs to an Airflow"):
            await conn.execute(SCHEMA_SQL.read_text())
        with pytest.raises(SchemaError, match="belongs to an Airflow"):
            await check_schema(conn)
        assert await conn.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 1


async def test_an_earlier_release_is_upgraded(empty: Dsn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the sections that are missing are applied, each in its turn; until then the database is refused."""
    old = parse_schema(f"{MARKER}\n-- version: 1\nCREATE TABLE one ();\n")
    more = "-- version: 2\nCREATE TABLE two ();\n-- version: 3\nALTER TABLE two ADD x int;\n"
    new = parse_schema(f"{MARKER}\n-- version: 1\nCREATE TABLE one ();\n{more}")
    monkeypatch.setattr(schema, "load_schema", lambda: old)
    assert await initdb(empty) == [1]
    monkeypatch.setattr(schema, "load_schema", lambda: new)
    async with connected(empty) as conn:
        with pytest.raises(SchemaError, match="version 1, this release needs 3"):
            await check_schema(conn)
        assert await initdb(empty) == [2, 3]
        await check_schema(conn)
        monkeypatch.setattr(schema, "load_schema", lambda: old)
        with pytest.raises(SchemaError, match="version 3, this release knows 1"):
            await check_schema(conn)
    with pytest.raises(SchemaError, match="update Windsock"):
        await initdb(empty)


async def test_a_failed_upgrade_changes_nothing(empty: Dsn, monkeypatch: pytest.MonkeyPatch) -> None:
    """All sections are applied, or none."""
    text = f"{MARKER}\n-- version: 1\nCREATE TABLE one ();\n-- version: 2\nBROKEN;\n"
    monkeypatch.setattr(schema, "load_schema", lambda: parse_schema(text))
    with pytest.raises(asyncpg.PostgresSyntaxError):
        await initdb(empty)
    async with connected(empty) as conn:
        assert await conn.fetchval("SELECT to_regclass('one')") is None
        with pytest.raises(SchemaError, match="windsock initdb"):
            await check_schema(conn)


@pytest.mark.parametrize("versions", [[], [2], [1, 3], [1, 1], [2, 1]])
def test_sections_count_from_one(versions: list[int]) -> None:
    """A gap in the numbers is a mistake of the release, found at once."""
    text = "".join(f"-- version: {number}\n" for number in versions)
    with pytest.raises(ValueError, match="numbered"):
        parse_schema(text)
