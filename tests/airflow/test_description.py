"""What is answered beside any Airflow, and standalone, is what `openapi.json` says, errors among it."""

import json

import pytest

from server.database.schema import initdb
from tests.airflow.schemas import RELEASES, add_dag, add_mapped, add_runs, copy_dag, generation_of
from tests.airflow.serving import connected, prepare
from tests.contract.cases import Request
from tests.contract.client import send
from tests.description import Description
from tests.live import live_server
from windsock.config import Dsn

API = "/api/experimental"
DAG = f"{API}/dags/d"
RUN = f"{DAG}/dag_runs/2021-01-01T00:01:00"
POOL = '{"name": "p", "slots": 3, "description": null}'

# Each with the status that it has in every generation, or that of each generation.
REQUESTS: list[tuple[str, str, str | None, int | tuple[int, int, int]]] = [
    ("GET", f"{API}/test", None, 200),
    ("GET", f"{API}/openapi.json", None, 200),
    ("GET", f"{API}/whoami", None, 200),
    ("GET", "/health", None, 200),
    ("POST", f"{API}/session", None, 200),
    ("DELETE", f"{API}/session", None, 200),
    ("GET", f"{API}/dags", None, 200),
    ("GET", f"{API}/dags?limit=1&order_by=-dag_id", None, 200),
    ("GET", f"{API}/dags?limit=x", None, 400),
    ("GET", f"{API}/dags?details=true&tag=a&tag=b&order_by=-last_run", None, 200),
    ("GET", f"{API}/dags?search=D&state=success&paused=false&owner=nobody", None, 200),
    ("GET", f"{API}/dags?details=true&limit=1001", None, 400),
    ("GET", f"{API}/dag_tags", None, 200),
    ("PATCH", DAG, '{"is_paused": true}', 200),
    ("PATCH", DAG, '{"is_paused": 1}', 400),
    ("PATCH", f"{API}/dags/nope", '{"is_paused": true}', 404),
    ("GET", f"{DAG}/paused", None, 200),
    ("GET", f"{API}/dags/nope/paused", None, 404),
    ("GET", f"{DAG}/paused/false", None, 200),
    ("GET", f"{DAG}/paused/no", None, 400),
    ("GET", f"{DAG}/code", None, 200),
    ("GET", f"{API}/dags/nope/code", None, 404),
    ("GET", f"{DAG}/tasks", None, 200),
    ("GET", f"{API}/dags/nope/tasks", None, 404),
    ("GET", f"{API}/dags/odd/tasks", None, 409),
    ("GET", f"{API}/version", None, 200),
    ("GET", f"{DAG}/tasks?details=true", None, 200),
    ("GET", f"{API}/pools?details=true", None, 200),
    ("GET", f"{API}/pools?details=no", None, 400),
    ("GET", f"{DAG}/grid", None, 200),
    ("GET", f"{DAG}/grid?limit=2&before=3", None, 200),
    ("GET", f"{DAG}/grid?limit=101", None, 400),
    ("GET", f"{API}/dags/odd/grid", None, 200),
    ("GET", f"{API}/dags/nope/grid", None, 404),
    ("GET", f"{DAG}/tasks/t", None, 200),
    ("GET", f"{DAG}/tasks/m", None, (404, 200, 200)),
    ("GET", f"{DAG}/tasks/nope", None, 404),
    ("GET", f"{API}/dags/odd/tasks/t", None, 409),
    ("POST", f"{DAG}/dag_runs", "{}", 200),
    ("POST", f"{DAG}/dag_runs", '{"run_id": "r", "execution_date": "2022-02-02", "conf": {"n": 2}}', 200),
    ("POST", f"{DAG}/dag_runs", '{"run_id": "r", "execution_date": "2022-02-03"}', 400),
    ("POST", f"{DAG}/dag_runs", '{"execution_date": "2022-02-02"}', 400),
    ("POST", f"{DAG}/dag_runs", '{"execution_date": "x"}', 400),
    ("POST", f"{DAG}/dag_runs", '{"conf": {"n": 0}}', (200, 400, 400)),
    ("POST", f"{DAG}/dag_runs", '{"conf": [1]}', 400),
    ("POST", f"{DAG}/dag_runs", '{"run_id": "backfill__1"}', (200, 400, 400)),
    ("POST", f"{API}/dags/nope/dag_runs", "{}", 404),
    ("POST", f"{API}/dags/odd/dag_runs", "{}", 409),
    ("GET", DAG, None, 200),
    ("GET", f"{DAG}?next_runs=2", None, 200),
    ("GET", f"{DAG}?next_runs=2&execution_date_gte=2020-01-01&execution_date_lte=2020-02-01", None, 200),
    ("GET", f"{DAG}?next_runs=1&execution_date_gte=x", None, 400),
    ("GET", f"{API}/dags/odd?next_runs=1", None, 409),
    ("GET", f"{API}/dags/nope", None, 404),
    ("GET", f"{DAG}/dag_runs", None, 200),
    ("GET", f"{DAG}/dag_runs?run_id=undated", None, 200),
    ("GET", f"{DAG}/dag_runs?limit=1&order_by=-execution_date&state=success", None, 200),
    ("GET", f"{DAG}/dag_runs?order_by=state", None, 400),
    ("GET", f"{API}/dags/nope/dag_runs", None, 400),
    ("GET", RUN, None, 200),
    ("GET", f"{RUN}?details=true", None, 200),
    ("GET", f"{RUN}?details=maybe", None, 400),
    ("GET", f"{RUN}/tasks", None, 200),
    ("GET", f"{RUN}/tasks?limit=1&order_by=-task_id", None, 200),
    ("GET", f"{RUN}/tasks?order_by=state", None, 400),
    ("GET", f"{DAG}/dag_runs/2020-01-09/tasks", None, 404),
    ("GET", f"{DAG}/dag_runs/2020-01-09", None, 404),
    ("GET", f"{DAG}/dag_runs/x", None, 400),
    ("GET", f"{RUN}/tasks/t", None, 200),
    ("GET", f"{RUN}/tasks/t?map_index=-1", None, 200),
    ("GET", f"{RUN}/tasks/t?map_index=x", None, 400),
    ("GET", f"{RUN}/tasks/m", None, (404, 200, 200)),
    ("GET", f"{RUN}/tasks/m?map_index=1", None, (404, 200, 200)),
    ("GET", f"{RUN}/tasks/m?map_index=7", None, 404),
    ("GET", f"{DAG}/dag_runs/2022-02-02/tasks/t", None, 200),
    ("GET", f"{RUN}/tasks/nope", None, 404),
    ("GET", f"{RUN}/tasks/t/logs", None, 404),
    ("GET", f"{RUN}/tasks/t/waits_for", None, 200),
    ("GET", f"{DAG}/dag_runs/2022-02-02/tasks/t/waits_for", None, 200),
    ("GET", f"{RUN}/tasks/nope/waits_for", None, 404),
    ("POST", f"{API}/dag_runs/states", '[{"dag_id": "d", "run_id": "r"}]', 200),
    ("GET", f"{API}/import_errors", None, 200),
    ("GET", f"{API}/import_errors?limit=1&order_by=-filename", None, 200),
    ("GET", f"{API}/import_errors?order_by=id", None, 400),
    ("GET", f"{API}/latest_runs", None, 200),
    ("GET", f"{API}/latest_runs?details=true", None, 200),
    ("GET", f"{API}/unfinished_runs", None, 200),
    ("GET", f"{API}/pools", None, 200),
    ("POST", f"{API}/pools", POOL, 200),
    ("POST", f"{API}/pools", '{"name": "p"}', 400),
    ("POST", f"{API}/dag_runs/states", '[{"dag_id": "d", "run_id": "r"}, {"dag_id": "nope", "run_id": "r"}]', 200),
    ("POST", f"{API}/dag_runs/states", '{"dag_id": "d"}', 400),
    ("GET", f"{API}/events?run_id=", None, 400),
    ("GET", f"{API}/pools/p", None, 200),
    ("GET", f"{API}/pools/nope", None, 404),
    ("DELETE", f"{API}/pools/p", None, 200),
    ("DELETE", f"{API}/pools/default_pool", None, 400),
    ("POST", f"{RUN}/clear", '{"dry_run": true, "only_failed": false}', 200),
    ("POST", f"{RUN}/clear", '{"task_ids": []}', 400),
    ("POST", f"{DAG}/dag_runs/2020-01-09/clear", "{}", 404),
    ("PATCH", f"{RUN}/tasks/t", '{"state": "failed"}', 200),
    ("PATCH", f"{RUN}/tasks/t", '{"state": "x"}', 400),
    ("PATCH", f"{RUN}/tasks/nope", '{"state": "failed"}', 404),
    ("PATCH", RUN, '{"state": "failed"}', 200),
    ("PATCH", RUN, "{}", 400),
    ("POST", f"{RUN}/clear", "{}", 200),
    ("DELETE", f"{DAG}/dag_runs/2022-02-02", None, 200),
    ("DELETE", f"{DAG}/dag_runs/2022-02-02", None, 404),
    ("DELETE", DAG, None, (200, 409, 409)),
    ("DELETE", f"{DAG}/delete_dag", None, (404, 409, 409)),
    ("DELETE", f"{API}/dags/odd", None, 200),
    ("DELETE", f"{API}/dags/odd2/delete_dag", None, 200),
    ("DELETE", f"{API}/dags/nope", None, 404),
]


# The log of a task is a file of the standalone scheduler, and a stream has no end.
WITHOUT = {
    ("GET", f"{API}/dags/{{dag_id}}/dag_runs/{{execution_date}}/tasks/{{task_id}}/logs"),
    ("GET", f"{API}/events"),
}
STANDALONE = "standalone"
# Of a task instance, in an answer and in the table.
FULL = {
    "duration": "1.5", "end_date": "2021-01-01 00:01:02.000003+00:00", "hostname": "h", "max_tries": "2",
    "operator": "O", "pid": "7", "priority_weight": "3", "queue": "q", "queued_dttm": "2021-01-01 00:01:00+00:00",
    "start_date": "2021-01-01 00:01:01+00:00", "unixname": "u",
}  # fmt: skip
OF_NEWER = {"map_index", "run_id", "try_number"}


# One that is still running when those of the first run have ended, and which version of the DAG that run is of.
RUNNING = """
INSERT INTO task_instance
SELECT (jsonb_populate_record(ti, jsonb_build_object('run_id', 'run_2', 'id', gen_random_uuid()))).*
FROM task_instance AS ti WHERE ti.task_id = 'm' AND ti.state = 'running' LIMIT 1
"""
VERSION = "UPDATE dag_run SET created_dag_version_id = (SELECT max(id::text)::uuid FROM dag_version WHERE dag_id = 'd')"


async def _prepare(dsn: str, kind: str, role: str) -> str:
    """Make a database of a release, or a standalone one, with DAGs and runs; the DSN of whoever serves it."""
    if kind != STANDALONE:
        served = await prepare(dsn, kind, role)
        await _add_rows(dsn, kind)
        return served
    await initdb(Dsn.parse(dsn))
    async with connected(dsn) as conn:
        await conn.execute("DELETE FROM slot_pool")
    await add_dag(dsn, "1.10.15")
    await _add_rows(dsn, "1.10.15")
    return dsn


async def _add_rows(dsn: str, release: str) -> None:
    """Add runs, a mapped task that runs, in 3.x a run without a date, DAGs that nobody can read, and a broken file."""
    await add_runs(dsn)
    if generation_of(release) > 1:
        await add_mapped(dsn)
    await copy_dag(dsn, "odd")
    await copy_dag(dsn, "odd2")
    # Its tasks are no list.
    odd = json.dumps({"dag": {"dag_id": "odd", "_dag_id": "odd", "tasks": 5}})
    async with connected(dsn) as conn:
        await conn.execute("UPDATE serialized_dag SET data = $1 WHERE dag_id = 'odd'", odd)
        if generation_of(release) > 1:
            await conn.execute(RUNNING)
        await conn.execute("INSERT INTO import_error (filename, stacktrace, timestamp) VALUES ('/e.py', 'no', now())")
        if generation_of(release) == 3:
            await conn.execute(f"{VERSION} WHERE run_id = 'run_1'")
            await conn.execute(
                "INSERT INTO dag_run (dag_id, run_id, run_type, run_after, state)"
                " VALUES ('d', 'undated', 'manual', now(), 'queued')"
            )


@pytest.mark.parametrize("kind", [*RELEASES, STANDALONE])
async def test_answers_are_as_described(empty_database: str, kind: str, role: str) -> None:
    """Every operation, with its successes and failures; a success of each one is among them."""
    generation = 1 if kind == STANDALONE else generation_of(kind)
    dsn = await _prepare(empty_database, kind, role)
    description = Description.read()
    wrong, seen = [], set()
    async with live_server(dsn) as url:
        for method, target, body, statuses in REQUESTS:
            status = statuses if isinstance(statuses, int) else statuses[generation - 1]
            answer = await send(url, Request(method, target, {}, body))
            problems = list(description.problems(method, target, answer))
            if answer.status != status or problems:
                wrong.append((method, target, answer.status, answer.body[:300], problems))
            if status == 200:
                seen.add(description.template(method, target))
    assert not wrong, "\n".join(map(str, wrong))
    assert description.operations() - seen == WITHOUT


@pytest.mark.parametrize("kind", [*RELEASES, STANDALONE])
async def test_a_task_instance_has_all_columns_of_its_generation(empty_database: str, kind: str, role: str) -> None:
    """Those that the description requires, and on Airflow 2 and 3 those that it allows; each has its value."""
    dsn = await _prepare(empty_database, kind, role)
    async with connected(empty_database) as conn:
        values = ", ".join(f"{name} = '{value}'" for name, value in FULL.items())
        await conn.execute(f"UPDATE task_instance SET {values} WHERE task_id = 't'")
    schema = Description.read().document["components"]["schemas"]["TaskInstance"]
    newer = OF_NEWER if kind != STANDALONE and generation_of(kind) > 1 else set()
    async with live_server(dsn) as url:
        shown = json.loads((await send(url, Request("GET", f"{RUN}/tasks/t", {}, None))).body)
        mapped = json.loads((await send(url, Request("GET", f"{RUN}/tasks/m", {}, None))).body) if newer else {}
    assert {name: shown[name] for name in FULL} == FULL
    assert set(shown) == {*schema["required"], *newer}
    assert not newer or set(mapped) == set(schema["properties"])


async def test_refusals_during_a_migration_are_as_described(empty_database: str, role: str) -> None:
    """Every operation that asks the database is then a 503, with its header."""
    dsn = await prepare(empty_database, "3.1.8", role)
    description = Description.read()
    async with live_server(dsn) as url:
        async with connected(empty_database) as conn:
            await conn.execute("UPDATE alembic_version SET version_num = 'another'")
        assert (await send(url, Request("POST", f"{DAG}/dag_runs", {}, "{}"))).status == 503
        for method, target, body, _ in REQUESTS:
            answer = await send(url, Request(method, target, {}, body))
            assert answer.status in {200, 400, 503}, (method, target)
            assert list(description.problems(method, target, answer)) == []
