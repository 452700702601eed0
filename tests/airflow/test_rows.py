"""Of twins one is triggered through Windsock and one by Airflow's own API: every column of every row is the same.

`make test-airflow` runs this, `make test` does not. What differs on purpose is named here.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from server.wire.pickles import load_conf
from tests.airflow.conftest import Beside
from tests.airflow.own_api import api_of_airflow_3
from tests.airflow.real import until
from tests.live import live_server

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(400)]

DATE = "2024-03-05T12:34:56.789000+00:00"
RUN_ID = "a_run"
CONF = {"a": 1, "text": "grüße", "password": "hidden", "deep": [{"api_token": "hidden"}]}
# One that is not paused: it runs while the others are looked at.
RUNNING = "ws_twin_running_ours"
# What no twin has: the one has no run, the other's rows only Airflow knows.
ALONE = {"ws_twin_variable_ours", "ws_twin_config_ours", RUNNING}
TABLES = {
    "dag_run": "SELECT t.* FROM dag_run AS t WHERE t.dag_id = $1 AND t.run_id = $2",
    "task_instance": "SELECT t.* FROM task_instance AS t JOIN dag_run AS r ON r.dag_id = t.dag_id AND {same_run}"
    " WHERE r.dag_id = $1 AND r.run_id = $2 ORDER BY t.task_id, {map_index}",
    "deadline": "SELECT t.* FROM deadline AS t JOIN dag_run AS r ON r.id = t.dagrun_id"
    " WHERE r.dag_id = $1 AND r.run_id = $2 ORDER BY {alerts}, t.deadline_time",
    "callback": "SELECT t.* FROM callback AS t JOIN deadline AS d ON d.callback_id = t.id JOIN dag_run AS r"
    " ON r.id = d.dagrun_id WHERE r.dag_id = $1 AND r.run_id = $2 ORDER BY t.type, t.data, d.deadline_time",
}
# Before 3.1 Airflow's scheduler makes the task instances of our runs, and sees by the missing hash that it has to.
ON_PURPOSE = {(2, "dag_run", "dag_hash")}


@pytest.fixture
async def pairs(beside: Beside) -> list[str]:
    """Trigger all twins; the ids of ours."""
    found = await beside.database.fetch("SELECT dag_id FROM dag WHERE dag_id LIKE 'ws\\_twin\\_%\\_ours' ORDER BY 1")
    ours = [row[0] for row in found if row[0] not in ALONE]
    if await beside.database.fetchval("SELECT count(*) FROM dag_run WHERE dag_id = ANY ($1)", ours):
        return ours
    if "ws_twin_deadlines_ours" in ours:
        await beside.database.execute(PAST)
    async with live_server(beside.airflow.dsn, task_instances="always") as url:
        other = replace(beside, url=url)
        for dag_id in ours:
            made = await other.trigger(dag_id, run_id=RUN_ID, conf=CONF, execution_date=DATE)
            assert made["run_id"] == RUN_ID
    await _trigger_theirs(beside, [_twin(dag_id) for dag_id in ours])
    return ours


# Of three runs each the average time is 30 seconds, and one has failed.
PAST = """
INSERT INTO dag_run (dag_id, run_id, logical_date, run_after, run_type, state, start_date, end_date, clear_number,
    span_status)
SELECT dag_id, 'past' || n, now() - n * interval '1 day', now(), 'manual',
    CASE n WHEN 1 THEN 'failed' ELSE 'success' END,
    now() - interval '2 hours', now() - interval '2 hours' + n * interval '10 seconds', 0, 'not_started'
FROM dag, generate_series(1, 4) AS n WHERE dag_id LIKE 'ws\\_twin\\_deadlines\\_%'
"""


async def _trigger_theirs(beside: Beside, dag_ids: list[str]) -> None:
    body: dict[str, Any] = {"dag_run_id": RUN_ID, "conf": CONF, "logical_date": DATE}
    if beside.generation < 3:
        (beside.airflow.home / "webserver_config.py").write_text("AUTH_ROLE_PUBLIC = 'Admin'\n")
        backend = {"API__AUTH_BACKENDS": "airflow.api.auth.backend.default"}
        requests = [[dag_id, body] for dag_id in dag_ids]
        answers = await asyncio.to_thread(beside.airflow.ask, "post", requests, **backend)
        assert [answer for answer in answers if answer[0] != 200] == []
        return
    api, headers = await api_of_airflow_3(beside.airflow, beside.http)
    for dag_id in dag_ids:
        url = f"{api}/dags/{dag_id}/dagRuns"
        async with beside.http.post(url, json=body, headers=headers) as answer:
            assert answer.status == 200, (dag_id, await answer.text())


async def test_every_row_is_as_airflow_writes_it(beside: Beside, pairs: list[str]) -> None:
    """Run, task instances, deadlines and callbacks; before 3.1 the task instances come with the scheduler."""
    tables = {row[0] for row in await beside.database.fetch("SELECT tablename FROM pg_tables")}
    columns = await beside.database.fetch("SELECT table_name || '.' || column_name FROM information_schema.columns")
    words = {
        "same_run": "r.run_id = t.run_id" if beside.generation > 1 else "r.execution_date = t.execution_date",
        "map_index": "t.map_index" if beside.generation > 1 else "1",
        "alerts": "t.deadline_alert_id"
        if "deadline.deadline_alert_id" in {row[0] for row in columns}
        else "t.deadline_time",
    }
    compared = set()
    for dag_id in pairs:
        for table in TABLES.keys() & tables:
            if table == "task_instance" and not _has_instances(beside):
                continue
            if table == "callback" and "callback.data" not in {row[0] for row in columns}:
                continue
            statement = TABLES[table].format(**words)
            both = [await beside.database.fetch(statement, one, RUN_ID) for one in (dag_id, _twin(dag_id))]
            ours, theirs = ([_plain(row, beside.generation, table) for row in rows] for rows in both)
            different = [pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]]
            shown = [dict(set(one.items()) ^ set(other.items())) or (one, other) for one, other in different[:3]]
            assert len(ours) == len(theirs), (dag_id, table)
            assert not different, (dag_id, table, shown, different[:1])
            compared |= {table} if ours else set()
    wanted = {"dag_run"} | ({"task_instance"} if _has_instances(beside) else set())
    if "ws_twin_deadlines_ours" in pairs:
        wanted |= {"deadline"} | ({"callback"} if "callback" in tables else set())
    assert compared == wanted


def _has_instances(beside: Beside) -> bool:
    return beside.generation == 3 and not beside.airflow.release.version.startswith("3.0")


def _plain(row: asyncpg.Record, generation: int, table: str) -> dict[str, object]:
    """What must be the same: ids are ids, moments of the test are now, or so many minutes from it."""
    found = {name: _value(name, value) for name, value in row.items() if (generation, table, name) not in ON_PURPOSE}
    return {name: value for name, value in found.items() if name not in {"id", "dagrun_id"}}


def _value(name: str, value: object) -> object:
    if isinstance(value, datetime):
        away = (value.replace(tzinfo=value.tzinfo or UTC) - datetime.now(UTC)) / timedelta(minutes=1)
        # Nobody needs as long as these minutes between the two.
        return f"now and {round(away / 8) * 8} minutes" if abs(away) < 10_000 else value.isoformat()
    if isinstance(value, UUID):
        # What the rows are of is another for each of the twins.
        return f"a UUID of version {value.version}"
    if name == "conf" and isinstance(value, bytes):
        return json.dumps(load_conf(value), sort_keys=True)
    if isinstance(value, str):
        text = value.replace("_theirs", "_ours")
        # The flags say whether this Airflow traces; here it does not.
        return re.sub(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", "a traceparent", text)
    return value


def _twin(dag_id: str) -> str:
    return dag_id.removesuffix("ours") + "theirs"


NEEDED = "can_edit on DAGs, can_create on DAG Runs"


async def test_rows_of_the_log_are_as_airflow_writes_them(beside: Beside, pairs: list[str]) -> None:
    """Event, owner, run and extra; where Airflow's own row lacks the run_id, ours has it for the page of the run.

    Besides, ours says which permissions the change needed.
    """
    if beside.generation == 1:
        return
    query = "SELECT * FROM log WHERE dag_id = $1 AND event LIKE '%dag_run%' ORDER BY id"
    for dag_id in pairs:
        ours, theirs = [await beside.database.fetch(query, one) for one in (dag_id, _twin(dag_id))]
        assert [row["run_id"] for row in ours] == [RUN_ID]
        assert all(NEEDED in row["extra"] for row in ours)
        pair = [dict(_log_row(row)) for row in (*ours, *theirs)]
        assert pair[0] == pair[1], dag_id


def _log_row(row: asyncpg.Record) -> Iterator[tuple[str, object]]:
    for name, value in row.items():
        if name == "extra":
            found = json.loads(value)
            assert found.pop("permission", NEEDED) == NEEDED
            yield name, found
        elif name not in {"id", "run_id"}:
            yield name, _value(name, value)


async def test_what_only_airflow_can_tell_is_left_to_it_with_a_warning(beside: Beside) -> None:
    """A deadline whose interval is a variable, and instances with an executor_config."""
    if not _has_instances(beside):
        return
    known = {row[0] for row in await beside.database.fetch("SELECT dag_id FROM dag")}
    async with live_server(beside.airflow.dsn, task_instances="always") as url:
        other = replace(beside, url=url)
        await other.trigger("ws_twin_config_ours", run_id=RUN_ID)
        warning = other.warning or ""
        assert "come with Airflow's scheduler: of task only: it has an executor_config" in warning
        if "ws_twin_variable_ours" in known:
            made = await other.trigger("ws_twin_variable_ours", run_id=RUN_ID)
            assert "its interval is a VariableInterval" in (other.warning or "")
            count = "SELECT count(*) FROM deadline JOIN dag_run AS r ON r.id = dagrun_id WHERE r.dag_id = $1"
            assert await beside.database.fetchval(count, "ws_twin_variable_ours") == 1
            assert made["run_id"] == RUN_ID


async def test_runs_end_as_those_of_airflow(beside: Beside) -> None:
    """With their task instances from the beginning, several at a time: each task in its state."""
    if not _has_instances(beside):
        return
    ids = [f"run{number}" for number in range(3)]
    async with live_server(beside.airflow.dsn, task_instances="always") as url:
        other = replace(beside, url=url)
        await asyncio.gather(*(other.trigger(RUNNING, run_id=run_id) for run_id in ids))
    await _trigger_theirs(beside, [_twin(RUNNING)])
    left = (
        "SELECT count(*) = 0 FROM dag_run WHERE dag_id LIKE 'ws\\_twin\\_running%' AND state IN ('queued', 'running')"
    )
    await until(lambda: beside.database.fetchval(left), "all runs have ended", 240, beside.airflow)
    theirs = await _states(beside, _twin(RUNNING), RUN_ID)
    assert {"success", "failed", "skipped", "upstream_failed"} == {state for *_, state in theirs}
    assert len(theirs) == 19
    for run_id in ids:
        assert await _states(beside, RUNNING, run_id) == theirs


async def _states(beside: Beside, dag_id: str, run_id: str) -> list[tuple[object, ...]]:
    query = "SELECT task_id, map_index, state FROM task_instance WHERE dag_id = $1 AND run_id = $2 ORDER BY 1, 2"
    return [tuple(row) for row in await beside.database.fetch(query, dag_id, run_id)]
