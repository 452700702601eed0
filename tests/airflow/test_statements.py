"""Every statement fits every supported schema."""

import asyncpg
import pytest

from server.config import Config, load_config
from server.errors import StartupError
from server.metadata.database import open_pool
from server.metadata.generations import RELEASES as REVISIONS
from server.metadata.metadata import _describe, open_metadata
from tests.airflow.schemas import RELEASES, generation_of, make_schema


def _config(dsn: str, **overrides: object) -> Config:
    return load_config({}, overrides={"dsn": dsn, **overrides})


@pytest.mark.parametrize("release", RELEASES)
async def test_every_statement_can_be_prepared(empty_database: str, release: str) -> None:
    """The generation is told from the revision, and every statement that it uses names only what the schema has."""
    await make_schema(empty_database, release)
    config = _config(empty_database)
    pool = await open_pool(config)
    try:
        database, settings = await _describe(pool, config)
        assert settings.generation == generation_of(release)
        for name, statement in database.statements.items():
            table = name.removeprefix("delete_dag.")
            if name.startswith("delete_dag.") and table not in settings.tables:
                continue
            async with pool.acquire() as connection:
                try:
                    await connection.prepare(statement)
                except asyncpg.PostgresError as error:
                    pytest.fail(f"{name}: {error}")
    finally:
        await pool.close()


@pytest.mark.parametrize("release", RELEASES)
async def test_deleting_names_every_table_that_refers_to_the_dag(empty_database: str, release: str) -> None:
    """What a foreign key would take along is deleted, and counted, by a statement of its own."""
    await make_schema(empty_database, release)
    config = _config(empty_database)
    pool = await open_pool(config)
    try:
        database, _ = await _describe(pool, config)
        rows = await pool.fetch(
            "SELECT conrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND confdeltype = 'c'"
            " AND confrelid = ANY (ARRAY['dag', 'dag_run', 'task_instance']::regclass[])"
        )
        assert {row[0] for row in rows} <= {
            name.removeprefix("delete_dag.") for name in database.statements if name.startswith("delete_dag.")
        }
    finally:
        await pool.close()


async def test_an_unknown_revision_refuses_to_start(empty_database: str) -> None:
    """The message names the revision, what is known, and the option that overrules."""
    await make_schema(empty_database, "2.10.5")
    conn = await asyncpg.connect(empty_database)
    await conn.execute("UPDATE alembic_version SET version_num = 'cafecafecafe'")
    await conn.close()
    with pytest.raises(StartupError) as raised:
        async with open_metadata(_config(empty_database)):
            pass
    message = str(raised.value)
    assert "cafecafecafe" in message
    assert "[windsock] allow_unknown_airflow" in message
    assert all(revision in message and release in message for revision, release in REVISIONS.items())
    assert empty_database not in message or "@" not in empty_database.partition("//")[2]


@pytest.mark.parametrize("release", RELEASES)
async def test_the_option_overrules_by_what_the_catalogue_says(empty_database: str, release: str) -> None:
    """With allow_unknown_airflow the columns tell the generation."""
    await make_schema(empty_database, release)
    conn = await asyncpg.connect(empty_database)
    await conn.execute("DELETE FROM alembic_version")
    await conn.close()
    config = _config(empty_database, allow_unknown_airflow=True)
    pool = await open_pool(config)
    try:
        _, settings = await _describe(pool, config)
        assert settings.generation == generation_of(release)
    finally:
        await pool.close()
