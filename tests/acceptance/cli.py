"""The installed command as a process, while servers of the same test answer it."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import asyncpg

from tests.contract import cases

WINDSOCK = str(Path(sys.executable).with_name("windsock"))
TIMEOUT = 60.0
_ROWS = {
    "dag_run": "SELECT dag_id, run_id, state, execution_date, external_trigger, conf FROM dag_run ORDER BY 1, 2",
    "slot_pool": "SELECT pool, slots, description FROM slot_pool ORDER BY pool",
    "dag": "SELECT dag_id, is_paused FROM dag ORDER BY dag_id",
    "task_instance": "SELECT dag_id, task_id, execution_date, state FROM task_instance ORDER BY 1, 2, 3",
    "serialized_dag": "SELECT dag_id FROM serialized_dag ORDER BY dag_id",
}


class Done(NamedTuple):
    """How a command ended, and all that it wrote."""

    code: int
    out: str
    err: str


async def windsock(*arguments: str, stdin: str | None = None, **environment: str) -> Done:
    """Run the command to its end. Without `stdin` there is none; no terminal either way."""
    return await program(WINDSOCK, *arguments, stdin=stdin, **environment)


async def program(*command: str, stdin: str | None = None, **environment: str) -> Done:
    """Run any program likewise."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    given = None if stdin is None else stdin.encode()
    out, err = await asyncio.wait_for(process.communicate(given), TIMEOUT)
    assert process.returncode is not None
    assert b"Traceback" not in err, err.decode()
    return Done(process.returncode, out.decode(), err.decode())


def over_http(url: str, **more: str) -> Mapping[str, str]:
    """Make the environment of a client of that server, which has no database."""
    return {"AIRFLOW__CLI__API_CLIENT": "airflow.api.client.json_client", "AIRFLOW__CLI__ENDPOINT_URL": url, **more}


def on_database(dsn: str) -> Mapping[str, str]:
    """Make the environment of a client straight on that database."""
    return {"AIRFLOW__CORE__SQL_ALCHEMY_CONN": dsn}


async def fill(dsn: str) -> None:
    """Fill the database with the DAGs and runs of the recorded cases."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(cases.ROWS.read_text())
        # All that is in the sequences' way has been inserted with ids.
        await connection.execute("SELECT setval(pg_get_serial_sequence('dag_run', 'id'), 1000)")
        await connection.execute("SELECT setval(pg_get_serial_sequence('slot_pool', 'id'), 1000)")
    finally:
        await connection.close()


async def rows(dsn: str) -> dict[str, list[tuple[object, ...]]]:
    """Read what the commands may change."""
    connection = await asyncpg.connect(dsn)
    try:
        return {table: [tuple(row) for row in await connection.fetch(query)] for table, query in _ROWS.items()}
    finally:
        await connection.close()
