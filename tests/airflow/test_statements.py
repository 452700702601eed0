"""Every statement fits every supported schema, and keeps its plan there."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
import pytest
from asyncpg.pool import PoolConnectionProxy

from server.database.catalogue import Catalogue, read_catalogue
from server.database.connections import open_pool
from server.database.generations import AIRFLOWS
from server.database.generations import RELEASES as REVISIONS
from server.database.metadata import open_metadata
from server.errors import StartupError
from tests.airflow.schemas import RELEASES, add_dag, add_runs, generation_of, make_schema
from windsock.config import Config, load_config

Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"


def _config(dsn: str, **overrides: object) -> Config:
    return load_config({}, overrides={"dsn": dsn, **overrides})


async def _find(pool: "asyncpg.Pool[asyncpg.Record]", config: Config) -> Catalogue:
    async with pool.acquire() as connection:
        return await read_catalogue(connection, allow_unknown=config.allow_unknown_airflow)


@pytest.mark.parametrize("release", RELEASES)
async def test_every_statement_can_be_prepared(empty_database: str, release: str) -> None:
    """The generation is told from the revision, and every statement that it uses names only what the schema has."""
    await make_schema(empty_database, release)
    config = _config(empty_database)
    pool = await open_pool(config)
    try:
        found = await _find(pool, config)
        assert found.generation is AIRFLOWS[generation_of(release) - 1]
        for name, statement in found.statements.items():
            table = name.removeprefix("delete_dag.")
            if name.startswith("delete_dag.") and table not in found.tables:
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
        named = (await _find(pool, config)).statements
        rows = await pool.fetch(
            "SELECT conrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND confdeltype = 'c'"
            " AND confrelid = ANY (ARRAY['dag', 'dag_run', 'task_instance']::regclass[])"
        )
        assert {row[0] for row in rows} <= {
            name.removeprefix("delete_dag.") for name in named if name.startswith("delete_dag.")
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
        assert (await _find(pool, config)).generation is AIRFLOWS[generation_of(release) - 1]
    finally:
        await pool.close()


# What one request asks with.
DATE = '["2030-01-01T00:00:00Z"]'
KEYS = {
    "find_dags": ['["d"]'],
    "find_roots": ['["d"]'],
    "find_pools": ['["p"]'],
    "find_runs": ['["d"]', DATE],
    "find_runs_by_id": ['["d"]', '["r"]'],
    "find_named_runs": ['["d"]', "[null]", '["r"]'],
    "find_task_instances": ['["d"]', DATE, '["t"]', "[null]"],
    "find_task_instances_by_id": ['["d"]', '["r"]', '["t"]', "[null]"],
    "find_collisions": ['["d"]', '["r"]', DATE],
    "trigger": ['["d"]', '["d"]', DATE, "[null]", '["d"]', '["d"]', DATE, DATE, '["u"]', "[false]", "revision"],
}


@asynccontextmanager
async def with_many_runs(dsn: str, release: str) -> AsyncIterator[tuple[Mapping[str, str], Connection]]:
    """The statements for a database with many runs, and a connection to it."""
    await make_schema(dsn, release)
    await add_dag(dsn, release)
    await add_runs(dsn)
    config = _config(dsn)
    pool = await open_pool(config)
    try:
        async with pool.acquire() as connection:
            yield (await read_catalogue(connection, allow_unknown=False)).statements, connection
    finally:
        await pool.close()


@pytest.mark.parametrize("release", RELEASES)
async def test_a_lone_key_is_not_planned_anew(empty_database: str, release: str) -> None:
    """Planning costs several times the look-up: Postgres keeps one plan, and it reads large tables by index."""
    async with with_many_runs(empty_database, release) as (named, connection):
        for name, keys in KEYS.items():
            if name not in named:
                continue
            statement = await connection.prepare(named[name])
            arguments = keys[: len(statement.get_parameters())]
            for _ in range(12):
                await statement.fetch(*arguments)
            planned = "SELECT custom_plans FROM pg_prepared_statements WHERE name = $1"
            assert await connection.fetchval(planned, statement.get_name()) <= 5, name
            await connection.execute("SET plan_cache_mode = force_generic_plan")
            plan = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {named[name]}", *arguments))
            await connection.execute("RESET plan_cache_mode")
            assert not {"dag_run", "task_instance"} & set(read_whole(plan[0]["Plan"])), name


@pytest.mark.parametrize("release", RELEASES)
async def test_steering_reads_only_rows_of_the_run(empty_database: str, release: str) -> None:
    """Its statements find the run, its instances and what belongs to them by index."""
    async with with_many_runs(empty_database, release) as (named, connection):
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        steering = {name: text for name, text in named.items() if name.startswith("steering.")}
        assert len(steering) >= 11
        for name, text in steering.items():
            nothing = [None] * len((await connection.prepare(text)).get_parameters())
            plan = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {text}", *nothing))
            assert not {"dag_run", "task_instance"} & set(read_whole(plan[0]["Plan"])), name


def read_whole(plan: dict[str, Any]) -> list[str]:
    """Tables that a plan reads from end to end."""
    own = [plan["Relation Name"]] if plan["Node Type"] == "Seq Scan" else []
    return own + [table for child in plan.get("Plans", ()) for table in read_whole(child)]
