"""Of twin runs one is steered by Windsock and one by Airflow itself: every row of every table is the same.

`make test-airflow` runs this, `make test` does not. The DAG is paused, so that no scheduler touches the runs.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from server.database.metadata import open_metadata
from server.database.steering import Steering
from server.wire import Clear, RunId
from tests.airflow.conftest import Beside
from tests.airflow.own_api import api_of_airflow_3
from windsock.config import load_config

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(400)]

DAG_ID = "ws_steered"
FINISHED = {"success", "failed", "skipped", "upstream_failed"}
# The states of the tasks of a run, in the order of their ids.
BUSY = [
    None, "running", "success", "failed", "upstream_failed", "skipped", "scheduled", "queued", "up_for_retry",
    "running", "success", None, "up_for_reschedule", "deferred",
]  # fmt: skip
OVER = ["success", "failed", "failed", "upstream_failed", "skipped", "success", "failed", "upstream_failed"] * 2


_OF_THE_RUN = {"execution_date", "logical_date", "run_after", "data_interval_start", "data_interval_end"}


class Case(NamedTuple):
    """A way to steer: what Airflow is asked for, and what Windsock is."""

    run_state: str
    states: Sequence[str | None]
    what: str
    argument: Any
    steer: Callable[[Steering, str, RunId], Awaitable[object]]


def _mark(task_id: str, state: str) -> tuple[str, Any, Callable[[Steering, str, RunId], Awaitable[object]]]:
    def steer(steering: Steering, dag_id: str, run: RunId) -> Awaitable[object]:
        return steering.set_instance_state(dag_id, run, task_id, None, state)

    return "mark", {"task_id": task_id, "state": state}, steer


def _set(state: str) -> tuple[str, Any, Callable[[Steering, str, RunId], Awaitable[object]]]:
    return "state", state, lambda steering, dag_id, run: steering.set_run_state(dag_id, run, state)


def _clear(asked: Clear) -> tuple[str, Any, Callable[[Steering, str, RunId], Awaitable[object]]]:
    body: dict[str, Any] = {"only_failed": asked.only_failed}
    if asked.task_ids is not None:
        body |= {"task_ids": list(asked.task_ids), "include_downstream": asked.downstream}
    return "clear", body, lambda steering, dag_id, run: steering.clear(dag_id, run, asked)


CASES = {
    "fail": Case("running", BUSY, *_set("failed")),
    "fail_queued": Case("queued", [None] * 14, *_set("failed")),
    "fail_ended": Case("success", OVER, *_set("failed")),
    "succeed": Case("running", BUSY, *_set("success")),
    "succeed_ended": Case("failed", OVER, *_set("success")),
    "clear_failed": Case("failed", OVER, *_clear(Clear())),
    "clear_all": Case("running", BUSY, *_clear(Clear(only_failed=False))),
    "clear_ended": Case("success", OVER, *_clear(Clear(only_failed=False))),
    "clear_one": Case("failed", OVER, *_clear(Clear(only_failed=False, task_ids=["last", "task1"]))),
    "clear_below": Case("success", OVER, *_clear(Clear(only_failed=False, task_ids=["left"], downstream=True))),
    "clear_nothing": Case("success", ["success"] * 14, *_clear(Clear())),
    "mark_success": Case("failed", OVER, *_mark("left", "success")),
    "mark_failed": Case("running", BUSY, *_mark("first", "failed")),
    "delete": Case(
        "failed", OVER, "delete", None, lambda steering, dag_id, run: steering.delete_run(dag_id, run)
    ),
}  # fmt: skip
CLEANED = {
    "cleaned": Case("running", ["success", "running", None][::-1], *_set("failed")),
    "cleaned_running": Case("running", ["success", "success", "running"][::-1], *_set("failed")),
    "cleaned_over": Case("running", ["success", "success", "success"], *_set("failed")),
}


async def test_every_row_is_as_airflow_leaves_it(beside: Beside) -> None:
    """Whatever state the tasks were in: run, instances, their history, and all that belongs to them."""
    cases = {name: (DAG_ID, case) for name, case in CASES.items()}
    if beside.generation == 1:
        # Its pages delete the run alone, and leave what belongs to it.
        del cases["delete"]
    else:
        cases |= {name: ("ws_cleaned", case) for name, case in CLEANED.items()}
    runs = [
        [dag_id, f"{name}_{whose}", f"2024-03-{n + 1:02}T{hour:02}:00:00+00:00"]
        for n, (name, (dag_id, _)) in enumerate(cases.items())
        for hour, whose in enumerate(("ours", "theirs"))
    ]
    await asyncio.to_thread(beside.airflow.ask, "trigger", runs)
    for name, (dag_id, case) in cases.items():
        for whose in ("ours", "theirs"):
            await _prepare(beside, dag_id, f"{name}_{whose}", case)
    async with open_metadata(load_config({}, overrides={"dsn": beside.airflow.dsn})) as metadata:
        for name, (dag_id, case) in cases.items():
            await case.steer(metadata.steering, dag_id, RunId(f"{name}_ours"))
    await _steer_theirs(
        beside, [(case.what, dag_id, f"{name}_theirs", case.argument) for name, (dag_id, case) in cases.items()]
    )
    different = {}
    tables = await _tables(beside)
    for name, (dag_id, case) in cases.items():
        for table, condition in tables.items():
            ours, theirs = [
                await _rows(beside, table, condition, dag_id, f"{name}_{whose}") for whose in ("ours", "theirs")
            ]
            if ours != theirs:
                different[name, table] = _difference(ours, theirs)
            assert ours or table != "task_instance" or case.what == "delete", name
    assert different == {}, "\n".join(f"{key}: {value}" for key, value in different.items())


def _difference(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> object:
    if len(ours) != len(theirs):
        return {"ours": ours, "theirs": theirs}
    return {
        name: (one[name], other[name], one.get("task_id"), one.get("state"))
        for one, other in zip(ours, theirs, strict=True)
        for name in one
        if one[name] != other[name]
    }


async def _prepare(beside: Beside, dag_id: str, run_id: str, case: Case) -> None:
    """Put the tasks of a run into their states, with dates, tries and what belongs to them."""
    conn, old = beside.database, beside.generation == 1
    date = await conn.fetchval(f"SELECT {beside.date} FROM dag_run WHERE dag_id = $1 AND run_id = $2", dag_id, run_id)
    of_run, value = ("execution_date", date) if old else ("run_id", run_id)
    index = "" if old else ", map_index"
    rows = await conn.fetch(
        f"SELECT task_id{index} FROM task_instance WHERE dag_id = $1 AND {of_run} = $2"
        f' ORDER BY task_id COLLATE "C"{index}', dag_id, value,
    )  # fmt: skip
    assert len(rows) in {12, 14, 3}
    ended = case.run_state in {"success", "failed"}
    await conn.execute(
        "UPDATE dag_run SET state = $3, start_date = now() - interval '130 minutes',"
        " end_date = CASE WHEN $4 THEN now() - interval '30 minutes' END WHERE dag_id = $1 AND run_id = $2",
        dag_id, run_id, case.run_state, ended,
    )  # fmt: skip
    job = None
    if beside.generation < 3:
        kind = "LocalTaskJob"
        job = await conn.fetchval(
            "INSERT INTO job (job_type, state, latest_heartbeat) VALUES ($1, 'running', now() + interval '1 hour')"
            " RETURNING id", kind,
        )  # fmt: skip
    for n, (row, state) in enumerate(zip(rows, case.states, strict=False)):
        begun, over = state not in {None, "scheduled", "queued"}, state in {*FINISHED, "up_for_retry"}
        where = f"dag_id = $1 AND {of_run} = $2 AND task_id = $3{'' if old else ' AND map_index = $4'}"
        keys = [dag_id, value, row["task_id"], *([] if old else [row["map_index"]])]
        texts = {
            "state": f"'{state}'" if state else "NULL",
            "start_date": "now() - interval '130 minutes'" if begun else "NULL",
            "end_date": "now() - interval '70 minutes'" if over else "NULL",
            "duration": "3600" if over else "NULL",
            "try_number": str(n % 3 if begun else 0),
            **({"job_id": str(job)} if beside.generation < 3 and begun and n != 9 else {}),
            **({"next_method": "'resume'"} if state == "deferred" else {}),
        }  # fmt: skip
        await conn.execute(
            f"UPDATE task_instance SET {', '.join(f'{name} = {text}' for name, text in texts.items())} WHERE {where}",
            *keys,
        )
        for statement in _belongings(beside, of_run, where):
            await conn.execute(statement, *keys)


def _belongings(beside: Beside, of_run: str, where: str) -> list[str]:
    """Return what inserts rows that belong to an instance: reschedules of two tries, a note, a result."""
    keys = f"dag_id, task_id, {of_run}{', map_index' if beside.generation == 2 else ''}"
    tries, number = (", generate_series(0, 1) AS n", "try_number + n, ") if beside.generation < 3 else ("", "")
    link, note = ("ti_id", "id") if beside.generation == 3 else (f"{keys}, try_number", keys)
    found = [
        (
            f"INSERT INTO task_reschedule ({link}, start_date, end_date, duration, reschedule_date)"
            f" SELECT {note}, {number}now(), now(), 1, now() FROM task_instance{tries} WHERE {where}"
        )
    ]
    if beside.generation > 1:
        found.append(
            f"INSERT INTO task_instance_note ({'ti_id' if beside.generation == 3 else keys}, content, created_at,"
            f" updated_at) SELECT {note}, 'note', now(), now() FROM task_instance WHERE {where}"
        )
        kind = "jsonb" if beside.generation == 3 else "bytea"
        found.append(
            "INSERT INTO xcom (dag_run_id, task_id, map_index, key, dag_id, run_id, value, timestamp)"
            f" SELECT r.id, ti.task_id, ti.map_index, 'k', ti.dag_id, ti.run_id, '1'::{kind}, now()"
            f" FROM (SELECT * FROM task_instance WHERE {where}) AS ti JOIN dag_run AS r USING (dag_id, run_id)"
        )
    return found


async def _tables(beside: Beside) -> Mapping[str, str]:
    """Return all tables with rows of a run, each with the condition for the run `r` and a row `t`."""
    columns: dict[str, set[str]] = {}
    for table, column in await beside.database.fetch(
        "SELECT table_name, column_name FROM information_schema.columns JOIN pg_tables ON tablename = table_name"
        " WHERE table_schema = 'public'"
    ):
        columns.setdefault(table, set()).add(column)
    found = {}
    for table, names in columns.items():
        if table == "dag_run":
            found[table] = "t.id = r.id"
        elif beside.generation == 1 and {"dag_id", "task_id", "execution_date"} <= names:
            found[table] = "t.dag_id = r.dag_id AND t.execution_date = r.execution_date"
        elif {"dag_id", "run_id"} <= names:
            found[table] = "t.dag_id = r.dag_id AND t.run_id = r.run_id"
        elif to_run := names & {"dag_run_id", "dagrun_id", "created_dag_run_id"}:
            found[table] = f"t.{min(to_run)} = r.id"
        elif "ti_id" in names:
            found[table] = (
                "t.ti_id IN (SELECT ti.id FROM task_instance AS ti WHERE ti.dag_id = r.dag_id AND ti.run_id = r.run_id)"
            )
    del found["log"]
    if beside.generation < 3:
        link = "execution_date" if beside.generation == 1 else "run_id"
        of_jobs = f"SELECT ti.job_id FROM task_instance AS ti WHERE ti.dag_id = r.dag_id AND ti.{link} = r.{link}"
        found["job"] = f"t.id IN ({of_jobs})"
    assert len(found) > (5 if beside.generation == 1 else 8)
    return found


async def _rows(beside: Beside, table: str, condition: str, dag_id: str, run_id: str) -> list[dict[str, Any]]:
    rows = await beside.database.fetch(
        f"SELECT t.* FROM {table} AS t, dag_run AS r WHERE r.dag_id = $1 AND r.run_id = $2 AND {condition}",
        dag_id,
        run_id,
    )
    plain = [{name: _plain(name, value) for name, value in row.items()} for row in rows]
    return sorted(
        plain, key=lambda row: [repr(row.get(name)) for name in ("task_id", "map_index", "try_number")] + [repr(row)]
    )


def _plain(name: str, value: object) -> object:
    """What must be the same: ids are ids, the clock of the test is now."""
    if name in _OF_THE_RUN:
        return "a date of the run"
    if isinstance(value, datetime):
        away = (value.replace(tzinfo=value.tzinfo or UTC) - datetime.now(UTC)) / timedelta(minutes=1)
        return f"now and {round(away / 20) * 20} minutes"
    if isinstance(value, UUID):
        return f"a UUID of version {value.version}"
    if name in {"id", "dag_run_id", "job_id", "dagrun_id"}:
        return value is not None
    if isinstance(value, str):
        return re.sub("00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", "a traceparent", value.replace("_theirs", "_ours"))
    return round(float(str(value)) / 600) if name == "duration" and value is not None else value


async def _steer_theirs(beside: Beside, requests: list[tuple[str, str, str, Any]]) -> None:
    if beside.generation < 3:
        (beside.airflow.home / "webserver_config.py").write_text("AUTH_ROLE_PUBLIC = 'Admin'\n")
        backend = {"API__AUTH_BACKENDS": "airflow.api.auth.backend.default"}
        answers = await asyncio.to_thread(beside.airflow.ask, "steer", requests, **backend)
        assert [one for one in zip(requests, answers, strict=True) if one[1] not in {200, 204}] == []
        return
    api, headers = await api_of_airflow_3(beside.airflow, beside.http)
    for what, dag_id, run_id, argument in requests:
        method, path, body = _request(what, run_id, argument)
        async with beside.http.request(method, f"{api}/dags/{dag_id}{path}", json=body, headers=headers) as answer:
            assert answer.status in {200, 204}, (what, run_id, await answer.text())


def _request(what: str, run_id: str, argument: Any) -> tuple[str, str, object]:  # noqa: ANN401 - as the case has it
    """Return what asks the API of Airflow 3 for it."""
    run = f"/dagRuns/{run_id}"
    if what == "delete":
        return "DELETE", run, None
    if what == "state":
        return "PATCH", run, {"state": argument}
    if what == "clear":
        body = {"dag_run_id": run_id, "dry_run": False, "reset_dag_runs": True, **argument}
        return "POST", "/clearTaskInstances", body
    return "PATCH", f"{run}/taskInstances/{argument['task_id']}", {"new_state": argument["state"]}
