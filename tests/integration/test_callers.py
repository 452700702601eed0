"""What public programs send to this API, and how they read the answers; none of them knows of Windsock.

Each was found in a public repository: cloud functions, Jenkins pipelines, scrapers, monitoring checks, chat bots.
"""

import json
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple

import aiohttp
import asyncpg
import pytest

from tests.contract import cases

API = "/api/experimental"
RUNS = f"{API}/dags/ref_echo/dag_runs"
JSON = {"Content-Type": "application/json"}
SCRIPT = {**JSON, "Cache-Control": "no-cache"}


class Caller(NamedTuple):
    """A program: what it sends as body and headers to trigger a DAG."""

    name: str
    body: str
    headers: dict[str, str]


CONF = {"cone": "chocolate_waffle", "topping": "żółty"}
TRIGGERS = [
    Caller("documentation", '{"conf":"{\\"key\\":\\"value\\"}"}', SCRIPT),
    Caller("curl without a type", "{}", {"Content-Type": "application/x-www-form-urlencoded"}),
    Caller("requests with data", "{}", {}),
    Caller("requests with json", "{}", JSON),
    Caller("requests with an empty string", '""', JSON),
    Caller("requests with a dump of a dump", json.dumps("{}"), {}),
    Caller("cloud function of Python", json.dumps({"conf": {"bucket": "b", "size": "17"}}), JSON),
    Caller("cloud function without conf", json.dumps({"conf": ""}), JSON),
    Caller("cloud function of Node", json.dumps({"conf": json.dumps(CONF), "replace_microseconds": "false"}), JSON),
    Caller("Composer", json.dumps({"conf": json.dumps({"name": "a"})}), {"User-Agent": "gcf-event-trigger"}),
    Caller("receiver of images", json.dumps({"conf": json.dumps({"processId": "0b2c"})}), SCRIPT),
    Caller("middleware of Swift", json.dumps({"conf": {"swift_id": "o", "swift_user": "u"}}), {}),
    Caller("string of a string", '{"conf":' + json.dumps({"videoid": "7", "DAG_ID": "ref_echo"}) + "}", JSON),
    Caller("its own client", json.dumps({"run_id": None, "conf": None, "execution_date": None}), JSON),
    Caller("its first client", json.dumps({"run_id": None, "conf": None, "exec_date": None}), JSON),
    Caller("Jenkins", json.dumps({"run_id": "jenkins-#36_builder", "conf": {"build": 36}}), JSON),
    Caller("own run_id", json.dumps({"run_id": "my_run2021-01-01T00:00:00.123456"}), JSON),
    Caller("moment", json.dumps({"execution_date": "2022-05-26T07:39:56.123+0000", "conf": CONF}), JSON),
    Caller("ZonedDateTime", json.dumps({"execution_date": "2022-05-26T07:39:57Z[UTC]"}), JSON),
    Caller("PowerShell", json.dumps({"execution_date": "5/26/2022 7:39:58 AM"}), {"Content-Type": "text/plain"}),
    Caller("UTF-8", json.dumps({"conf": CONF}, ensure_ascii=False), {"Content-Type": "text/plain; charset=UTF-8"}),
    Caller("byte order mark", "\ufeff{}", JSON),
]  # fmt: skip


@pytest.fixture
async def url(database: str, serve: Callable[..., Awaitable[str]]) -> str:
    connection = await asyncpg.connect(database)
    await connection.execute(cases.ROWS.read_text())
    await connection.close()
    return await serve()


@pytest.mark.parametrize("caller", TRIGGERS, ids=lambda caller: caller.name)
async def test_they_trigger_and_read_the_answer(url: str, caller: Caller) -> None:
    """By its keys, by regular expressions, by splitting the run_id, by slicing the date, and by evaluating it."""
    async with aiohttp.ClientSession(url) as session:
        async with session.post(RUNS, data=caller.body.encode(), headers=caller.headers) as response:
            assert response.status == 200, await response.text()
            text = (await response.read()).decode("latin-1")
        assert set(json.loads(text)) == {"execution_date", "message", "run_id"}
        shown = re.search('"execution_date":"(.*?)"', text)
        assert shown is not None
        date = shown[1]
        assert datetime.strptime(date[:19], "%Y-%m-%dT%H:%M:%S").year >= 2022  # noqa: DTZ007 - as they do
        created = re.search(r"Created <DagRun (\S+) @ (\S+?)[ T](\S+?): (.*), externally triggered: True>", text)
        assert created is not None
        assert created[1] == "ref_echo"
        async with session.get(f"{RUNS}/{date}") as response:
            found = re.search('"state":"(.*?)"', await response.text())
            assert found is not None
            assert found[1] == "running"
        async with session.get(RUNS, headers=JSON) as response:
            runs = await response.text()
        assert runs.count('"state":"running"}') >= 1
        assert f'"execution_date":"{date[:19]}' in runs
        if '"run_id":"manual__' in text:
            # The date of a run that was not named is in its id.
            of_id = json.loads(text)["run_id"].split("__")[1]
            async with session.get(f"{RUNS}/{of_id}") as response:
                assert await response.json() == {"state": "running"}


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("test", '{"status":"OK"}'),
        ("latest_runs", '{"items":[{"dag_id":"'),
        ("latest_runs", '"dag_run_url":"/admin/airflow/graph?dag_id='),
        ("pools", '{"description":"Default pool","id":1,"pool":"default_pool","slots":128}'),
        ("dags/ref_setup/dag_runs", '"state":"success"}'),
        ("dags/ref_setup/dag_runs?state=failed", '"state":"failed"}]'),
        ("dags/ref_setup/paused", '{"is_paused":false}'),
        ("dags/ref_setup/paused/false", '{"response":"ok"}'),
        ("dags/ref_setup/dag_runs/2020-01-05T00:00:00+00:00", '{"state":"success"}'),
        ("dags/ref_setup/dag_runs/2020-01-05T00%3A00%3A00%2B00%3A00", '{"state":"success"}'),
        ("dags/ref_setup/dag_runs/2020-01-05T00:00:00", '{"state":"success"}'),
        ("dags/nope/tasks/bash_task", '"error":"Dag id nope not found'),
    ],
)
async def test_they_look_for_text(url: str, path: str, seen: str) -> None:
    """Scanners, Jenkins pipelines and shell scripts compare texts, without any space."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}{API}/{path}", data=b"", headers=SCRIPT) as response,
    ):
        assert seen in await response.text()
