"""Databases as Airflow's releases make them, without an Airflow."""

import json
import zlib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg

from server.database import statements

FOLDER = Path(__file__).parent / "schemas"
RELEASES = sorted((path.stem for path in FOLDER.glob("*.sql")), key=lambda name: [*map(int, name.split("."))])


def generation_of(release: str) -> int:
    """Generation of a release such as 2.10.5."""
    return int(release.partition(".")[0])


_INSERT_RUNS = """
INSERT INTO dag_run (
    execution_date,  -- if dag_run.execution_date
    logical_date, run_after,  -- if dag_run.logical_date
    run_type,  -- if dag_run.run_type
    clear_number,  -- if dag_run.clear_number
    dag_id, run_id, state)
SELECT
    moment,  -- if dag_run.execution_date
    moment, moment,  -- if dag_run.logical_date
    'manual',  -- if dag_run.run_type
    0,  -- if dag_run.clear_number
    dag_id, run_id, state
FROM json_to_recordset($1) AS one (dag_id text, run_id text, state text, moment timestamptz)"""


async def make_schema(dsn: str, release: str) -> None:
    """Fill an empty database with the tables of that release."""
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute((FOLDER / f"{release}.sql").read_text("utf-8"))
    finally:
        await conn.close()


def _document(generation: int) -> str:
    """Serialize a small DAG as that generation does: one plain task, and one that is mapped where there are such."""
    plain = {"task_id": "t", "_task_type": "BashOperator", "retries": 2}
    mapped = {"task_id": "m", "_task_type": "BashOperator", "_is_mapped": True, "partial_kwargs": {"retries": 1}}
    dag: dict[str, object] = {"timezone": "UTC", "start_date": 1577836800, "schedule_interval": None}
    dag["dag_id" if generation == 3 else "_dag_id"] = "d"
    if generation == 1:
        dag["tasks"] = [plain]
    else:
        dag["tasks"] = [{"__type": "operator", "__var": task} for task in (plain, mapped)]
        schema = {"__type": "dict", "__var": {"type": "integer", "minimum": 1}}
        dag["params"] = [["n", {"__class": "airflow.models.param.Param", "default": 5, "schema": schema}]]
    return json.dumps({"__version": 1, "dag": dag})


async def add_dag(dsn: str, release: str, *, compressed: bool = False) -> None:
    """Add the DAG `d` with its code to a database of `make_schema`."""
    generation = generation_of(release)
    text = _document(generation)
    data = (None, zlib.compress(text.encode())) if compressed else (text, None)
    conn = await asyncpg.connect(dsn)
    try:
        columns = {row[0] for row in await conn.fetch(statements.load("catalogue.sql")["columns"])}
        seed = (FOLDER.parent / "seed" / f"airflow{generation}.sql").read_text("utf-8")
        await conn.execute(statements.fit(seed, columns))
        if generation == 1:
            await conn.execute("UPDATE serialized_dag SET data = $1", text)
        else:
            await conn.execute("UPDATE serialized_dag SET data = $1, data_compressed = $2", *data)
    finally:
        await conn.close()


async def copy_dag(dsn: str, dag_id: str, *, subdag_id: str | None = None) -> None:
    """Add a DAG like `d` of `add_dag` under another id; with a `subdag_id` its task `t` is a sub-DAG of that id."""
    conn = await asyncpg.connect(dsn)
    try:
        tables = {row[0] for row in await conn.fetch(statements.load("catalogue.sql")["tables"])}
        await _copy(conn, "dag", {"dag_id": dag_id})
        changes: dict[str, object] = {"dag_id": dag_id}
        if "dag_version" in tables:
            changes |= {"id": str(uuid4()), "dag_version_id": (version := str(uuid4()))}
            await _copy(
                conn, "dag_version", {"dag_id": dag_id, "id": version, "version_number": 1}, "version_number = 2"
            )
        if subdag_id is not None:
            await _copy(conn, "dag", {"dag_id": subdag_id, "is_subdag": True, "root_dag_id": dag_id})
            changes["data"] = _with_subdag(
                json.loads(await conn.fetchval("SELECT data FROM serialized_dag")), subdag_id
            )
        await _copy(conn, "serialized_dag", changes)
    finally:
        await conn.close()


async def _copy(conn: asyncpg.Connection, table: str, changes: dict[str, object], condition: str = "true") -> None:
    await conn.execute(
        f"INSERT INTO {table} SELECT (jsonb_populate_record({table}, $1::jsonb)).* FROM {table}"
        f" WHERE dag_id = 'd' AND {condition} LIMIT 1",
        json.dumps(changes),
    )


def _with_subdag(document: dict[str, Any], subdag_id: str) -> dict[str, Any]:
    task = document["dag"]["tasks"][0]
    task.get("__var", task)["subdag"] = {**document["dag"], "_dag_id": subdag_id, "tasks": [deepcopy(task)]}
    return document


async def add_runs(dsn: str) -> None:
    """Add 5,000 runs of the DAG `d`, each with an instance of its task, and let the planner know of them."""
    await _sow(dsn, "runs.sql")


async def insert_runs(conn: asyncpg.Connection, rows: Sequence[Mapping[str, str | None]]) -> None:
    """Insert runs: `dag_id`, `run_id`, `state`, and `moment`, their date."""
    columns = {row[0] for row in await conn.fetch(statements.load("catalogue.sql")["columns"])}
    await conn.execute(statements.fit(_INSERT_RUNS, columns), json.dumps(rows))


async def add_mapped(dsn: str) -> None:
    """Add two instances, which run, of the mapped task of the first run that `add_runs` made; not for 1.10."""
    await _sow(dsn, "mapped.sql")


async def _sow(dsn: str, file: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        columns = {row[0] for row in await conn.fetch(statements.load("catalogue.sql")["columns"])}
        await conn.execute(statements.fit((FOLDER.parent / "seed" / file).read_text("utf-8"), columns))
    finally:
        await conn.close()
