"""A standalone database in which every text tries to become markup or code, and the logs too."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import asyncpg

from server.wire.pickles import pickle_conf
from tests.live import live_server

# Each does something in a page that takes it for what it looks like: a dialog opens, or the policy refuses it.
PAYLOADS = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(2)</script>",
    "\"'><svg onload=alert(3)>",
    "javascript:alert(4)",
    "</textarea></title></style><iframe srcdoc='<script>alert(5)</script>'>",
    "${alert(6)}{{alert(6)}}",
    "' onfocus=alert(7) autofocus x='",
    "../../..//evil.invalid/%2e%2e%2f?a#b",
    "\u202e\u2028<b>bold</b>&lt;i&gt;",
)
MARK = "<img src=x onerror=alert(1)>"
DATE = datetime(2026, 1, 2, tzinfo=UTC)
_LOG = "\n".join(
    ("\x1b[31mred\x1b[0m", *PAYLOADS, "\x1b]8;;javascript:alert(8)\x07link\x1b]8;;\x07", "\x1b[1;999999m", "\x1b[")
)
# All texts that may be NULL.
_OTHERS = """
SELECT table_name, column_name, character_maximum_length FROM information_schema.columns
WHERE table_schema = 'public' AND data_type IN ('text', 'character varying') AND is_nullable = 'YES'
    AND table_name IN ('dag', 'dag_run', 'task_instance', 'slot_pool', 'import_error', 'job')"""
_TASK = {
    "_task_type": MARK, "_task_module": MARK, "owner": MARK, "pool": MARK, "queue": MARK, "trigger_rule": MARK,
    "doc": MARK, "doc_md": MARK, "ui_color": "red;background:url(//evil.invalid)", "bash_command": MARK, "label": MARK,
}  # fmt: skip


@asynccontextmanager
async def hostile_service(dsn: str, folder: Path) -> AsyncIterator[str]:
    """Serve the database, filled; the URL."""
    connection = await asyncpg.connect(dsn)
    try:
        for number, payload in enumerate(PAYLOADS):
            await _add_dag(connection, payload, number)
        await _spoil(connection)
        await _insert(connection, "slot_pool", {"pool": MARK, "slots": 3, "description": MARK})
        for payload in PAYLOADS:
            await _insert(connection, "import_error", {"timestamp": DATE, "filename": payload, "stacktrace": payload})
    finally:
        await connection.close()
    log = folder / MARK / MARK / DATE.isoformat() / "1.log"
    log.parent.mkdir(parents=True)
    log.write_text(_LOG)
    async with live_server(dsn, page="True", base_log_folder=str(folder)) as url:
        yield url


async def _add_dag(connection: asyncpg.Connection, text: str, number: int) -> None:
    param = {"__class": "airflow.models.param.Param", "default": text, "description": text, "schema": {"title": text}}
    tasks = [{**_TASK, "task_id": text, "_downstream_task_ids": [f"{text}2"]}, {**_TASK, "task_id": f"{text}2"}]
    # No run has an instance of these, but every object of JavaScript has something by these names.
    tasks += [{**_TASK, "task_id": name} for name in ("constructor", "__proto__", "toString")]
    document = {"dag": {"_dag_id": text, "tasks": tasks, "params": {text: param}, "doc_md": text}}
    dag = {"dag_id": text, "fileloc": text}
    run = {"dag_id": text, "execution_date": DATE, "state": "failed", "start_date": DATE}
    texts = {"owners": text, "description": text, "schedule_interval": json.dumps(text)}
    serialized = {"fileloc_hash": number, "data": json.dumps(document), "last_updated": DATE}
    code = {"fileloc": text, "fileloc_hash": number, "source_code": text, "last_updated": DATE}
    conf = pickle_conf({text: text}, 1)
    await _insert(connection, "dag", {**dag, **texts, "is_active": True, "is_paused": False})
    await _insert(connection, "dag_tag", {"dag_id": text, "name": text})
    await _insert(connection, "serialized_dag", {**dag, **serialized})
    await _insert(connection, "dag_code", code)
    await _insert(connection, "dag_run", {**run, "run_id": text, "external_trigger": True, "conf": conf})
    await _insert(connection, "task_instance", {**run, "task_id": text, "try_number": 1, "pool": text[:50]})


async def _insert(connection: asyncpg.Connection, table: str, row: Mapping[str, object]) -> None:
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    await connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *row.values())


async def _spoil(connection: asyncpg.Connection) -> None:
    """Write the mark into every text that nothing else is in, and a state that does not exist into the first run."""
    for table, column, length in await connection.fetch(_OTHERS):
        await connection.execute(f"UPDATE {table} SET {column} = $1 WHERE {column} IS NULL", MARK[:length])
    for table in ("dag_run", "task_instance"):
        await connection.execute(f"UPDATE {table} SET state = $1 WHERE dag_id = $2", MARK[:20], PAYLOADS[0])


def address(*segments: str) -> str:
    """Path of a view, its parts encoded."""
    return "/" + "/".join(quote(segment, safe="") for segment in segments)
