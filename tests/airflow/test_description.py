"""What is answered beside any Airflow is what `openapi.json` says, errors among it."""

import json

import pytest

from tests.airflow.schemas import RELEASES, add_mapped, add_runs, copy_dag, generation_of
from tests.airflow.serving import connected, prepare
from tests.contract.cases import Request
from tests.contract.client import send
from tests.description import Description
from tests.live import live_server

API = "/api/experimental"
DAG = f"{API}/dags/d"
RUN = f"{DAG}/dag_runs/2021-01-01T00:01:00"
POOL = '{"name": "p", "slots": 3, "description": null}'

# Each with the status that it has in every generation, or that of each generation.
REQUESTS: list[tuple[str, str, str | None, int | tuple[int, int, int]]] = [
    ("GET", f"{API}/test", None, 200),
    ("GET", f"{API}/openapi.json", None, 200),
    ("GET", "/health", None, 200),
    ("POST", f"{API}/session", None, 200),
    ("DELETE", f"{API}/session", None, 200),
    ("GET", f"{API}/dags", None, 200),
    ("GET", f"{API}/dags?limit=1&order_by=-dag_id", None, 200),
    ("GET", f"{API}/dags?limit=x", None, 400),
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
    ("GET", f"{DAG}/dag_runs", None, 200),
    ("GET", f"{DAG}/dag_runs?run_id=undated", None, 200),
    ("GET", f"{DAG}/dag_runs?limit=1&order_by=-execution_date&state=success", None, 200),
    ("GET", f"{DAG}/dag_runs?order_by=state", None, 400),
    ("GET", f"{API}/dags/nope/dag_runs", None, 400),
    ("GET", RUN, None, 200),
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
    ("GET", f"{API}/latest_runs", None, 200),
    ("GET", f"{API}/pools", None, 200),
    ("POST", f"{API}/pools", POOL, 200),
    ("POST", f"{API}/pools", '{"name": "p"}', 400),
    ("GET", f"{API}/pools/p", None, 200),
    ("GET", f"{API}/pools/nope", None, 404),
    ("DELETE", f"{API}/pools/p", None, 200),
    ("DELETE", f"{API}/pools/default_pool", None, 400),
    ("DELETE", DAG, None, (200, 409, 409)),
    ("DELETE", f"{DAG}/delete_dag", None, (404, 409, 409)),
    ("DELETE", f"{API}/dags/odd", None, 200),
    ("DELETE", f"{API}/dags/nope", None, 404),
]


async def _add_rows(dsn: str, release: str) -> None:
    """Add runs, a mapped task that runs, in 3.x a run without a date, and a DAG that nobody can read."""
    await add_runs(dsn)
    if generation_of(release) > 1:
        await add_mapped(dsn)
    await copy_dag(dsn, "odd")
    # Its tasks are no list.
    odd = json.dumps({"dag": {"dag_id": "odd", "_dag_id": "odd", "tasks": 5}})
    async with connected(dsn) as conn:
        await conn.execute("UPDATE serialized_dag SET data = $1 WHERE dag_id = 'odd'", odd)
        if generation_of(release) == 3:
            await conn.execute(
                "INSERT INTO dag_run (dag_id, run_id, run_type, run_after, state)"
                " VALUES ('d', 'undated', 'manual', now(), 'queued')"
            )


@pytest.mark.parametrize("release", RELEASES)
async def test_answers_are_as_described(empty_database: str, release: str, role: str) -> None:
    """Every operation, with its successes and failures."""
    generation = generation_of(release)
    dsn = await prepare(empty_database, release, role)
    await _add_rows(empty_database, release)
    description = Description.read()
    wrong = []
    async with live_server(dsn) as url:
        for method, target, body, statuses in REQUESTS:
            status = statuses if isinstance(statuses, int) else statuses[generation - 1]
            answer = await send(url, Request(method, target, {}, body))
            problems = list(description.problems(method, target, answer))
            if answer.status != status or problems:
                wrong.append((method, target, answer.status, answer.body[:300], problems))
    assert not wrong, "\n".join(map(str, wrong))


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
