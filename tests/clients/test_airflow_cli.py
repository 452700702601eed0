"""Airflow 1.10.15's own command line, with its json_client, against Windsock."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import bcrypt
import pytest

from tests.acceptance.cli import fill, rows
from tests.clients.conftest import run

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

Airflow = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture(params=["default", "password_auth"])
async def airflow(
    request: pytest.FixtureRequest,
    database: str,
    serve: Callable[..., Awaitable[str]],
    airflow_env: dict[str, str],
) -> Airflow:
    """Serve the recorded DAGs, and run Airflow's commands against that."""
    await fill(database)
    url = await serve(auth_backend=request.param)
    if request.param == "password_auth":
        await _make_user(database)
        url = url.replace("http://", "http://alice:wonderland@")

    async def command(*words: str, given: str = "") -> tuple[int, str, str]:
        return await run(["airflow", *words], {**airflow_env, "AIRFLOW__CLI__ENDPOINT_URL": url}, given)

    return command


async def _make_user(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        hashed = bcrypt.hashpw(b"wonderland", bcrypt.gensalt(4)).decode()
        await connection.execute("INSERT INTO users (username, password) VALUES ('alice', $1)", hashed)
    finally:
        await connection.close()


async def test_it_triggers(airflow: Airflow, database: str) -> None:
    """The run is there, with its conf, and the message is what Airflow printed ever since."""
    code, out, err = await airflow("trigger_dag", "-r", "from_airflow", "-c", '{"key": "value"}', "ref_setup")
    assert code == 0, err
    assert "Created <DagRun ref_setup @ " in out
    assert ": from_airflow, externally triggered: True>" in out
    (row,) = [row for row in (await rows(database))["dag_run"] if row[:2] == ("ref_setup", "from_airflow")]
    assert row[2] == "running"
    assert b"value" in row[5]  # type: ignore[operator]


async def test_it_sees_why_a_trigger_failed(airflow: Airflow) -> None:
    """Our error text is in its last line."""
    code, _, err = await airflow("trigger_dag", "nope")
    assert code == 1
    assert "Dag id nope not found in DagModel" in err


async def test_it_deletes(airflow: Airflow, database: str) -> None:
    """After the confirmation every row of the DAG is gone."""
    code, out, err = await airflow("delete_dag", "ref_setup", given="y\n")
    assert code == 0, err
    assert "Removed " in out
    assert not [row for row in (await rows(database))["dag_run"] if row[0] == "ref_setup"]


async def test_it_does_pools(airflow: Airflow, database: str, tmp_path: Path) -> None:
    """Set, get, list, export, delete and import, as people have them in their scripts."""
    code, out, err = await airflow("pool", "-s", "cli_p", "5", "my pool")
    assert code == 0, err
    assert "my pool" in out
    for words in (("pool", "-g", "cli_p"), ("pool",)):
        assert "cli_p" in (await airflow(*words))[1]
    exported = tmp_path / "pools.json"
    assert "successfully exported" in (await airflow("pool", "-e", str(exported)))[1]
    assert json.loads(exported.read_text())["cli_p"] == {"description": "my pool", "slots": 5}
    assert "cli_p" in (await airflow("pool", "-x", "cli_p"))[1]
    assert "Pool 'cli_p' doesn't exist" in (await airflow("pool", "-g", "cli_p"))[1]
    assert "successfully updated" in (await airflow("pool", "-i", str(exported)))[1]
    assert ("cli_p", 5, "my pool") in (await rows(database))["slot_pool"]
