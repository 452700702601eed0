"""Client libraries that others published, against Windsock."""

import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.cli import fill, rows
from tests.clients.conftest import run

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

DATE = "2020-01-05T00:00:00+00:00"


@pytest.fixture
async def url(database: str, serve: Callable[..., Awaitable[str]]) -> str:
    """Serve the recorded DAGs."""
    await fill(database)
    return await serve()


async def test_npm_airflow_api(url: str, database: str, airflow_api: Path) -> None:
    """Each of its methods does what its README says; a failure is rejected with our JSON."""

    async def call(method: str, *arguments: object) -> dict[str, Any]:
        command = ["node", str(Path(__file__).with_name("airflow_api.js")), url, method, *map(json.dumps, arguments)]
        code, out, err = await run(command, {**os.environ, "AIRFLOW_API": str(airflow_api)})
        assert code == 0, err
        answer: dict[str, Any] = json.loads(out)
        return answer

    assert await call("checkTest") == {"answer": {"status": "OK"}}
    made = await call("createDAGRunById", "ref_setup", {"run_id": "from_npm", "conf": {"key": "value"}})
    assert made["answer"]["run_id"] == "from_npm"
    assert "from_npm" in {run["run_id"] for run in (await call("getDAGRunById", "ref_setup"))["answer"]}
    assert (await call("getDAGRunByIdandDate", "ref_setup", DATE))["answer"] == {"state": "success"}
    assert (await call("getDAGTaskById", "ref_setup", "after"))["answer"]["task_id"] == "after"
    assert (await call("getDAGTaskByDateandId", "ref_setup", "after", DATE))["answer"]["state"] == "success"
    assert (await call("pauseDAGById", "ref_setup", True))["answer"] == {"response": "ok"}  # noqa: FBT003 - its own
    assert "items" in (await call("latestDAGRuns"))["answer"]
    pool = {"name": "npm_p", "slots": 3, "description": "of npm"}
    assert (await call("createPool", pool))["answer"]["slots"] == 3
    assert (await call("getPoolByName", "npm_p"))["answer"]["description"] == "of npm"
    assert "npm_p" in {pool["pool"] for pool in (await call("getAllPools"))["answer"]}
    assert (await call("removePoolByName", "npm_p"))["answer"]["pool"] == "npm_p"
    unknown = (await call("getPoolByName", "npm_p"))["error"]
    assert unknown == {"code": "pool_not_found", "error": "Pool 'npm_p' doesn't exist"}
    assert ("ref_setup", True) in (await rows(database))["dag"]


async def test_pypi_airflow_restapi_sdk(url: str, sdk_python: Path) -> None:
    """Trigger, state, waiting, pools, and its exception with our text."""
    program = f"""
import json
from airflow_restapi_sdk import Client
from airflow_restapi_sdk.exceptions import DagRunTimeOutError, HTTPCodeError
client = Client({url + "/"!r})
made = client.dag.trigger("ref_setup", conf={{"k": "v"}})
found = [client.test(), made["run_id"], client.dag.state("ref_setup", made["execution_date"]),
         client.dag.state("ref_setup", {DATE!r}), client.pool.one("default_pool")["slots"], len(client.pool.all())]
try:
    client.dag.trigger("nope")
except HTTPCodeError as error:
    found += [error.status_code, error.message]
try:
    client.dag.trigger_join("ref_unicode", timeout=0.1, step=0.2)
except DagRunTimeOutError:
    found += ["still running"]
print(json.dumps(found))
"""
    code, out, err = await run([str(sdk_python), "-c", program])
    assert code == 0, err
    found = json.loads(out)
    assert found[0] == {"status": "OK"}
    assert found[1].startswith("manual__")
    assert found[2:4] == [{"state": "running"}, {"state": "success"}]
    assert found[6:] == [404, "Dag id nope not found in DagModel", "still running"]
