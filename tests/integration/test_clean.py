"""Retention, and upgrading an older database."""

import re
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from server.database import schema
from server.database.schema import SchemaError
from server.standalone.clean import clean
from server.task_logs.writing import log_folder, open_log
from windsock.config import Dsn

BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
RUNS = """
INSERT INTO dag_run (dag_id, run_id, execution_date, start_date, end_date, state, external_trigger)
SELECT 'd', 'r' || n, date, date, CASE WHEN state IN ('success', 'failed') THEN date END, state, true
FROM unnest($1::text[], $2::timestamptz[]) WITH ORDINALITY AS rows (state, date, n)
"""
BELONGING = """
INSERT INTO task_instance (task_id, dag_id, execution_date, pool) SELECT 't', dag_id, execution_date, 'p' FROM dag_run;
INSERT INTO xcom (key, timestamp, execution_date, task_id, dag_id)
SELECT 'k', now(), execution_date, 't', dag_id FROM dag_run;
INSERT INTO log (dttm, event) SELECT execution_date, 'api' FROM dag_run;
"""
OLD, NEW = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


async def test_clean_deletes_what_is_over_and_old(database: str, tmp_path: Path) -> None:
    """Runs that ended before go with all that is theirs, logs too, in portions; unfinished and newer ones stay."""
    conn = await asyncpg.connect(database)
    dates = [OLD.replace(day=day) for day in range(1, 6)] + [NEW]
    await conn.execute(RUNS, ["success", "failed", "success", "running", "queued", "success"], dates)
    await conn.execute(BELONGING)
    folders = [log_folder(tmp_path, "d", "t", date) for date in dates]
    for folder in folders:
        with open_log(folder, 1) as log:
            log.say("done")
    dsn = Dsn.parse(database)
    assert await clean(dsn, BEFORE, tmp_path, dry_run=True) == {"runs": 3, "log": 5, "job": 0}
    assert await conn.fetchval("SELECT count(*) FROM dag_run") == 6
    assert all(folder.exists() for folder in folders)
    assert await clean(dsn, BEFORE, tmp_path, portion=2) == {"runs": 3, "task logs": 3, "log": 5, "job": 0}
    for table in ("dag_run", "task_instance", "xcom"):
        rows = await conn.fetch(f"SELECT execution_date FROM {table} ORDER BY 1")
        assert [row[0] for row in rows] == [dates[3], dates[4], NEW], table
    assert [folder.exists() for folder in folders] == [False, False, False, True, True, True]
    assert await clean(dsn, BEFORE, tmp_path) == {"runs": 0, "task logs": 0, "log": 0, "job": 0}
    await conn.close()


async def test_schedulers_that_are_gone_are_cleaned(database: str, tmp_path: Path) -> None:
    """Also those that were killed, whose rows say that they run; one that lives stays, whatever the date."""
    conn = await asyncpg.connect(database)
    await conn.execute(
        "INSERT INTO job (hostname, state, latest_heartbeat)"
        " VALUES ('ended', 'success', $1), ('killed', 'running', $1), ('lives', 'running', now())",
        OLD,
    )
    dsn, late = Dsn.parse(database), datetime(2100, 1, 1, tzinfo=UTC)
    assert (await clean(dsn, late, tmp_path, dry_run=True))["job"] == 2
    assert (await clean(dsn, late, tmp_path))["job"] == 2
    assert await conn.fetchval("SELECT string_agg(hostname, ' ') FROM job") == "lives"
    await conn.close()


async def test_a_log_that_cannot_be_removed_keeps_its_run(database: str, tmp_path: Path) -> None:
    """Nothing is half done: the error names the file, the run is there for the next try."""
    conn = await asyncpg.connect(database)
    await conn.execute(RUNS, ["success"], [OLD])
    folder = log_folder(tmp_path, "d", "t", OLD)
    folder.parent.mkdir(parents=True)
    folder.write_text("no folder")
    with pytest.raises(NotADirectoryError, match=re.escape(str(folder))):
        await clean(Dsn.parse(database), BEFORE, tmp_path)
    assert await conn.fetchval("SELECT count(*) FROM dag_run") == 1
    await conn.close()


async def test_clean_leaves_an_airflow_alone(database: str, empty_database: str, tmp_path: Path) -> None:
    """The database of an Airflow, and one without a schema, are refused before anything is touched."""
    conn = await asyncpg.connect(database)
    await conn.execute(RUNS, ["success"], [OLD])
    await conn.execute("CREATE TABLE alembic_version (version_num varchar(32))")
    with pytest.raises(SchemaError, match="Airflow"):
        await clean(Dsn.parse(database), BEFORE, tmp_path)
    assert await conn.fetchval("SELECT count(*) FROM dag_run") == 1
    await conn.close()
    with pytest.raises(SchemaError, match="initdb"):
        await clean(Dsn.parse(empty_database), BEFORE, tmp_path)


async def test_initdb_upgrades_every_older_database(empty_database: str) -> None:
    """A database that stopped at an older version, with rows in it, gets what is missing, and keeps its rows."""
    dsn, current = Dsn.parse(empty_database), schema.load_schema()
    conn = await asyncpg.connect(empty_database)
    oldest = schema.Schema(current.preamble, current.sections[:1])
    await schema._apply(conn, oldest)
    await conn.execute(RUNS, ["success"], [OLD])
    with pytest.raises(SchemaError, match="windsock initdb"):
        await schema.check_schema(conn)
    assert await schema.initdb(dsn) == list(range(2, current.version + 1))
    await schema.check_schema(conn)
    assert await conn.fetchval("SELECT run_id FROM dag_run") == "r1"
    assert await schema.initdb(dsn) == []
    await conn.close()


def test_schema_has_nothing_that_postgres_13_lacks() -> None:
    """What came with 14 and later is not used: triggers that are replaced, MERGE, NULLS NOT DISTINCT, multiranges."""
    text = "".join(section.sql for section in schema.load_schema().sections).upper()
    assert not re.search(r"CREATE OR REPLACE TRIGGER|\bMERGE INTO\b|NULLS NOT DISTINCT|MULTIRANGE", text)
