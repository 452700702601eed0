"""Runs are steered over HTTP: what the answers say is what the tables have then."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import asyncpg
import pytest

from tests.contract import cases
from tests.live import live_server

DAG = "/api/experimental/dags/ref_setup"
RUNS = f"{DAG}/dag_runs"
FAILED, RUNNING = f"{RUNS}/2020-01-07", f"{RUNS}/run_id=setup_running"
DATE = "2020-01-07T00:00:00+00:00"
Serve = Callable[..., Awaitable[str]]
Ask = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect to a database with runs, one of which has failed, and one is running."""
    made = await asyncpg.connect(database)
    await made.execute(cases.ROWS.read_text())
    yield made
    await made.close()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def ask(connection: asyncpg.Connection, serve: Serve, http: aiohttp.ClientSession) -> Ask:
    """Ask a server of that database."""
    assert connection
    url = await serve()

    async def ask(method: str, path: str, body: object = None) -> tuple[int, Any]:
        return await _ask(http, method, f"{url}{path}", body)

    return ask


async def _ask(http: aiohttp.ClientSession, method: str, url: str, body: object = None) -> tuple[int, Any]:
    async with http.request(method, url, json=body) as answer:
        return answer.status, await answer.json()


async def _states(connection: asyncpg.Connection, date: str = "2020-01-07") -> dict[str, str | None]:
    rows = await connection.fetch(
        "SELECT 'run' AS name, state FROM dag_run WHERE dag_id = 'ref_setup' AND execution_date = $1::text::timestamptz"
        " UNION ALL SELECT task_id, state FROM task_instance"
        " WHERE dag_id = 'ref_setup' AND execution_date = $1::text::timestamptz",
        date,
    )
    return dict(map(tuple, rows))


def _named(answer: dict[str, Any]) -> dict[str, str | None]:
    assert all(one["map_index"] == -1 for one in answer["task_instances"])
    return {one["task_id"]: one["state"] for one in answer["task_instances"]}


async def test_what_failed_is_cleared(connection: asyncpg.Connection, ask: Ask) -> None:
    """A dry run says what it would be, and changes nothing; a second clear finds nothing that has failed."""
    before = await connection.fetch("SELECT * FROM dag_run, task_instance")
    status, would = await ask("POST", f"{FAILED}/clear", {"dry_run": True})
    assert (status, would["dry_run"], would["state"]) == (200, True, "failed")
    assert await connection.fetch("SELECT * FROM dag_run, task_instance") == before
    status, done = await ask("POST", f"{FAILED}/clear", {})
    assert status == 200
    assert _named(done) == _named(would) == {"after": "upstream_failed", "echo_conf": "failed"}
    head = {"dag_id": "ref_setup", "dry_run": False, "execution_date": DATE, "run_id": "setup_fail", "state": "running"}
    assert {name: value for name, value in done.items() if name != "task_instances"} == head
    assert await _states(connection) == {"run": "running", "echo_conf": None, "after": None}
    assert _named((await ask("POST", f"{FAILED}/clear", {}))[1]) == {}


async def test_some_tasks_are_cleared(connection: asyncpg.Connection, ask: Ask) -> None:
    """Those that are named, and what is downstream of them if that is wanted."""
    run = f"{RUNS}/run_id=setup_1"
    one = {"only_failed": False, "task_ids": ["echo_conf"], "dry_run": True}
    assert _named((await ask("POST", f"{run}/clear", one))[1]) == {"echo_conf": "success"}
    both = {**one, "downstream": True, "dry_run": False}
    assert _named((await ask("POST", f"{run}/clear", both))[1]) == {"after": "success", "echo_conf": "success"}
    assert await _states(connection, "2020-01-05") == {"run": "running", "echo_conf": None, "after": None}


@pytest.mark.parametrize("state", ["failed", "success"])
async def test_a_run_is_marked(connection: asyncpg.Connection, ask: Ask, state: str) -> None:
    """It has ended then, with all of its tasks; doing it twice changes nothing more."""
    await connection.execute("UPDATE task_instance SET state = 'running' WHERE task_id = 'echo_conf' AND state IS NULL")
    status, done = await ask("PATCH", RUNNING, {"state": state})
    assert (status, done["state"], done["run_id"]) == (200, state, "setup_running")
    assert _named(done) == {"echo_conf": "running", "after": None}
    states = await _states(connection, "2020-01-08")
    assert (states["run"], states["echo_conf"]) == (state, state)
    assert states["after"] in {state, "skipped"}
    status, again = await ask("PATCH", RUNNING, {"state": state})
    assert (status, again["state"], again["task_instances"]) == (200, state, [])
    assert await _states(connection, "2020-01-08") == states


async def test_a_task_is_marked(connection: asyncpg.Connection, ask: Ask) -> None:
    """And what could not run because it had failed runs now."""
    status, done = await ask("PATCH", f"{FAILED}/tasks/echo_conf", {"state": "success"})
    assert (status, _named(done)) == (200, {"echo_conf": "failed"})
    states = await _states(connection)
    assert (states["echo_conf"], states["run"]) == ("success", done["state"])


async def test_a_run_is_deleted(connection: asyncpg.Connection, ask: Ask) -> None:
    """With its instances and what they left; other runs stay as they are."""
    for table, columns in (("xcom", 'key, "timestamp"'), ("task_fail", "start_date, end_date")):
        values = {"xcom": "'k', now()", "task_fail": "now(), now()"}[table]
        await connection.execute(
            f"INSERT INTO {table} (dag_id, task_id, execution_date, {columns})"
            f" SELECT dag_id, 'echo_conf', execution_date, {values} FROM dag_run WHERE dag_id = 'ref_setup'"
        )
    others = await connection.fetchval(
        "SELECT count(*) FROM task_instance WHERE execution_date <> $1::text::date", DATE
    )
    status, done = await ask("DELETE", FAILED)
    assert (status, done) == (200, {"count": done["count"], "message": f"Removed {done['count']} record(s)"})
    assert done["count"] >= 3
    assert await _states(connection) == {}
    assert await connection.fetchval("SELECT count(*) FROM task_instance") == others
    for table in ("xcom", "task_fail"):
        left = await connection.fetch(
            f"SELECT DISTINCT execution_date FROM {table} WHERE dag_id = 'ref_setup' ORDER BY 1"
        )
        assert [row[0].day for row in left] == [5, 6, 8]
    assert await ask("DELETE", FAILED) == (
        404,
        {"code": "run_not_found", "error": (await ask("GET", FAILED))[1]["error"]},
    )


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("PATCH", FAILED, {"state": "running"}, 400, "invalid_request"),
        ("PATCH", FAILED, [], 400, "invalid_request"),
        ("POST", f"{FAILED}/clear", {"task_ids": []}, 400, "invalid_request"),
        ("POST", f"{FAILED}/clear", {"task_ids": ["nope"]}, 404, "task_not_found"),
        ("POST", f"{RUNS}/2020-01-09/clear", {}, 404, "run_not_found"),
        ("POST", f"{RUNS}/never/clear", {}, 400, "invalid_date"),
        ("PATCH", f"{RUNS}/run_id=", {"state": "failed"}, 400, "invalid_run_id"),
        ("PATCH", f"{RUNS}/run_id=nope", {"state": "failed"}, 404, "run_not_found"),
        ("PATCH", "/api/experimental/dags/nope/dag_runs/2020-01-07", {"state": "failed"}, 404, "dag_not_found"),
        ("DELETE", "/api/experimental/dags/nope/dag_runs/2020-01-07", None, 404, "dag_not_found"),
        ("PATCH", f"{FAILED}/tasks/echo_conf?map_index=x", {"state": "failed"}, 400, "invalid_request"),
        ("PATCH", f"{RUNS}/2020-01-09/tasks/echo_conf", {"state": "failed"}, 404, "run_not_found"),
    ],
)
async def test_refusals(
    connection: asyncpg.Connection, ask: Ask, method: str, path: str, body: object, status: int, code: str
) -> None:
    """Nothing is changed by them."""
    before = await connection.fetch("SELECT * FROM dag_run, task_instance")
    found, answer = await ask(method, path, body)
    assert (found, answer["code"]) == (status, code), answer
    assert await connection.fetch("SELECT * FROM dag_run, task_instance") == before


async def test_an_unknown_task(ask: Ask) -> None:
    """Of the DAG, and of the run."""
    assert (await ask("PATCH", f"{FAILED}/tasks/nope", {"state": "failed"}))[0] == 404


async def test_what_the_log_table_says(
    database: str, connection: asyncpg.Connection, http: aiohttp.ClientSession
) -> None:
    """Who did what to which run and task; a dry run and a refusal have changed nothing."""
    requests: tuple[tuple[str, str, object], ...] = (
        ("PATCH", RUNNING, {"state": "failed"}),
        ("POST", f"{FAILED}/clear", {"dry_run": True}),
        ("POST", f"{FAILED}/clear", {}),
        ("PATCH", f"{FAILED}/tasks/after", {"state": "success"}),
        ("PATCH", FAILED, {"state": "x"}),
        ("DELETE", FAILED, None),
    )
    async with live_server(database, auth_backend="tests.airflow.named") as url:
        http.headers["X-Caller"] = "alice"
        for method, path, body in requests:
            await _ask(http, method, f"{url}{path}", body)
    columns = "event, dag_id, task_id, owner, extra"
    rows = await connection.fetch(f"SELECT {columns} FROM log WHERE dttm > now() - interval '1 hour' ORDER BY id")
    found = [(row["event"], row["task_id"], json.loads(row["extra"])) for row in rows]
    assert {(row["dag_id"], row["owner"]) for row in rows} == {("ref_setup", "alice")}
    dags, runs, tasks = "can_edit on DAGs", "can_edit on DAG Runs", "can_edit on Task Instances"
    both = f"{dags}, {tasks}, {runs}"
    expected = (
        ("api_set_run_state", None, "setup_running", f"{dags}, {runs}"),
        ("api_clear", None, "setup_fail", both),
        ("api_set_instance_state", "after", "setup_fail", both),
        ("api_delete_run", None, "setup_fail", f"{dags}, can_delete on DAG Runs"),
    )
    assert [(event, task, extra["run_id"], extra["permission"]) for event, task, extra in found] == list(expected)


async def test_who_waits_learns_of_it_at_once(
    database: str, connection: asyncpg.Connection, http: aiohttp.ClientSession
) -> None:
    """The state that a run was given, or that it is gone; in other processes of the service, too."""
    runs = "INSERT INTO dag_run (dag_id, run_id, execution_date, state) SELECT 'ref_setup', id, date, 'running'"
    await connection.execute(f"{runs} FROM (VALUES ('w1', now()), ('w2', now() + interval '1 s')) AS new (id, date)")
    slow = {"watch_interval": "60", "wait_limit": "50"}
    async with live_server(database, **slow) as url, live_server(database, **slow) as other:
        waiting = [
            asyncio.create_task(_ask(http, "GET", f"{place}{RUNS}/run_id={run_id}?wait=40"))
            for place in (url, other)
            for run_id in ("w1", "w2")
        ]
        await asyncio.sleep(1)
        assert not [task for task in waiting if task.done()]
        start = time.monotonic()
        assert (await _ask(http, "PATCH", f"{url}{RUNS}/run_id=w1", {"state": "failed"}))[0] == 200
        assert (await _ask(http, "DELETE", f"{url}{RUNS}/run_id=w2"))[0] == 200
        answers = await asyncio.gather(*waiting)
        assert time.monotonic() - start < 20
    assert [status for status, _ in answers] == [200, 404, 200, 404]
    assert [answers[0][1], answers[2][1]] == [{"state": "failed"}] * 2
    assert {answers[1][1]["code"], answers[3][1]["code"]} == {"run_not_found"}


async def test_many_steer_the_same_run(connection: asyncpg.Connection, ask: Ask) -> None:
    """Each request is done as a whole, one after the other: none fails, and nothing is half done."""
    bodies: list[tuple[str, str, object]] = [
        ("PATCH", FAILED, {"state": "failed"}),
        ("PATCH", FAILED, {"state": "success"}),
        ("POST", f"{FAILED}/clear", {"only_failed": False}),
        ("POST", f"{FAILED}/clear", {"only_failed": False, "task_ids": ["after"]}),
        ("PATCH", f"{FAILED}/tasks/echo_conf", {"state": "success"}),
        ("GET", FAILED, None),
    ]
    answers = await asyncio.gather(*(ask(*request) for request in bodies * 15))
    assert {status for status, _ in answers} == {200}, [answer for answer in answers if answer[0] != 200][:3]
    states = await _states(connection)
    ended = {"success", "failed", "skipped", "upstream_failed"}
    if states["run"] != "running":
        assert set(states.values()) <= ended
    deleted = await asyncio.gather(*(ask(*request) for request in [("DELETE", FAILED), *bodies] * 5))
    assert {status for status, _ in deleted} == {200, 404}
    assert sum(status == 200 and "count" in answer for status, answer in deleted) == 1
    assert {answer["code"] for status, answer in deleted if status == 404} == {"run_not_found"}
    assert await _states(connection) == {}
