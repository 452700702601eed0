"""The rows about changes in Airflow's `log` table, and who is named as a run's trigger."""

import json
from collections.abc import Mapping
from typing import Any

import aiohttp
import asyncpg
import pytest

from tests.airflow.schemas import RELEASES, add_runs, generation_of
from tests.airflow.serving import connected, prepare
from tests.hostile import DATES
from tests.live import live_server

DATE = "2024-03-05T12:34:56+00:00"
CONF = {"a": 1, "db_PassWord": "hidden", "deep": [{"api_token": ["hidden"], "b": "shown"}], "mine": "hidden too"}
MASKED = {"a": 1, "db_PassWord": "***", "deep": [{"api_token": "***", "b": "shown"}], "mine": "***"}
EVENTS = {
    "1.10.15": (
        "trigger", "paused", "paused", "api_set_pool", "api_delete_pool", "dagrun_failed", "api_delete_run", "delete",
    ),
    "2.7.3": (
        "dag_run.create", "paused", "paused", "api_set_pool", "api_delete_pool", "dagrun_failed", "api_delete_run",
        "delete",
    ),
    "2.9.3": (
        "api.post_dag_run", "api.patch_dag", "api.patch_dag", "api.post_pool", "api.delete_pool",
        "api.update_dag_run_state", "api.delete_dag_run", "api.delete_dag",
    ),
    "3.0.6": (
        "trigger_dag_run", "patch_dag", "patch_dag", "post_pool", "delete_pool", "patch_dag_run", "delete_dag_run",
        "delete_dag",
    ),
}  # fmt: skip
PLACES = (
    ("POST", "/dags/d/dag_runs", {"run_id": "r", "conf": CONF, "execution_date": DATE}),
    ("GET", "/dags/d/paused/true", None),
    ("PATCH", "/dags/d", {"is_paused": False}),
    ("POST", "/pools", {"name": "p", "slots": 3, "description": None}),
    ("DELETE", "/pools/p", None),
    ("PATCH", "/dags/d/dag_runs/run_id=r", {"state": "failed"}),
    ("DELETE", "/dags/d/dag_runs/run_id=r", None),
    ("DELETE", "/dags/d", None),
)  # fmt: skip
# What Airflow 2's REST API asks for these.
PERMISSIONS = (
    "can_edit on DAGs, can_create on DAG Runs", "can_edit on DAGs", "can_edit on DAGs", "can_create on Pools",
    "can_delete on Pools", "can_edit on DAGs, can_edit on DAG Runs", "can_edit on DAGs, can_delete on DAG Runs",
    "can_delete on DAGs",
)  # fmt: skip


async def _change_everything(dsn: str, headers: Mapping[str, str], **options: object) -> None:
    backend = {"auth_backend": "tests.airflow.named", "sensitive_names": "mine other", **options}
    async with live_server(dsn, **backend) as url, aiohttp.ClientSession(headers=headers) as session:
        for method, path, body in PLACES:
            async with session.request(method, f"{url}/api/experimental{path}", json=body) as answer:
                assert answer.status == 200, await answer.text()


async def _rows(database: str) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(database)
    try:
        return [dict(row) for row in await connection.fetch("SELECT * FROM log ORDER BY id")]
    finally:
        await connection.close()


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("caller", ["alice", None])
async def test_every_change_has_its_row(empty_database: str, release: str, role: str, caller: str | None) -> None:
    """What that Airflow would write: events, the run, and in `extra` what was asked, without secrets."""
    dsn = await prepare(empty_database, release, role)
    await _change_everything(dsn, {"X-Caller": caller} if caller else {})
    rows = await _rows(empty_database)
    events = EVENTS[max(known for known in EVENTS if _order(known) <= _order(release))]
    assert tuple(row["event"] for row in rows) == events
    nobody = "Anonymous" if generation_of(release) == 3 else "anonymous"
    assert {row["owner"] for row in rows if not row["event"].startswith("api_")} == {caller or nobody}
    assert [row["dag_id"] for row in rows] == ["d", "d", "d", None, None, "d", "d", "d"]
    named = {row.get("owner_display_name") for row in rows if not row["event"].startswith("api_")}
    shown = nobody if generation_of(release) == 3 else None
    assert named == ({None} if "owner_display_name" not in rows[0] else {caller or shown})
    for row in (rows[0], *rows[5:7]):
        assert row.get("run_id") == ("r" if "run_id" in row else None)
        assert "'r'" in row["extra"] or '"r"' in row["extra"] or row.get("run_id")
    if generation_of(release) == 1:
        assert [rows[place]["execution_date"].isoformat() for place in (0, 5)] == [DATE, DATE]
    elif _order(release) >= _order("2.9.3"):
        method = {"method": "POST"} if generation_of(release) == 3 else {}
        asked = {"conf": MASKED, "dag_run_id": "r", "logical_date": DATE}
        assert json.loads(rows[0]["extra"]) == asked | method | {"permission": PERMISSIONS[0]}
        assert json.loads(rows[5]["extra"])["state"] == "failed"
        paused = [json.loads(row["extra"])["is_paused"] for row in rows[1:3]]
        assert paused == [True, False]
        assert json.loads(rows[4]["extra"])["pool_name"] == "p"
    assert "hidden" not in "".join(row["extra"] for row in rows)
    for row, permission in zip(rows, PERMISSIONS, strict=True):
        assert permission in row["extra"]


def _order(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))


@pytest.mark.parametrize("release", ["1.10.15", "2.10.5", "3.3.2"])
async def test_a_large_conf_is_left_out(empty_database: str, release: str, role: str) -> None:
    """The row says how large it was."""
    dsn = await prepare(empty_database, release, role)
    async with live_server(dsn) as url, aiohttp.ClientSession() as session:
        body = {"conf": {"n": "x" * 20_000}}
        async with session.post(f"{url}/api/experimental/dags/d/dag_runs", json=body | {"run_id": "r"}) as answer:
            assert answer.status == (200 if generation_of(release) == 1 else 400)
        body = {"conf": {"large": "x" * 20_000}}
        async with session.post(f"{url}/api/experimental/dags/d/dag_runs", json=body) as answer:
            assert answer.status == 200
    assert "(20012 bytes)" in (await _rows(empty_database))[-1]["extra"]


@pytest.mark.parametrize("release", ["1.10.15", "2.10.5", "3.3.2"])
async def test_a_run_with_an_odd_date_is_steered_and_logged(empty_database: str, release: str, role: str) -> None:
    """Whatever date others gave it: the change is answered as it was done, and has its row."""
    dsn = await prepare(empty_database, release, role)
    await add_runs(empty_database)
    column = "logical_date" if generation_of(release) == 3 else "execution_date"
    headers = {"X-Caller": "alice"}
    async with (
        connected(empty_database) as conn,
        live_server(dsn, auth_backend="tests.airflow.named") as url,
        aiohttp.ClientSession(headers=headers) as session,
    ):
        for number, odd in enumerate(DATES, 1):
            moved = f"UPDATE dag_run SET {column} = $1::text::timestamptz WHERE run_id = $2"
            await conn.execute(moved, odd, f"run_{number}")
            run = f"{url}/api/experimental/dags/d/dag_runs/run_id=run_{number}"
            async with session.patch(run, json={"state": "failed"}) as answer:
                assert answer.status == 200, (odd, await answer.text())
            assert await conn.fetchval("SELECT count(*) FROM log") == number, odd


@pytest.mark.parametrize("release", ["1.10.15", "2.10.5", "3.3.2"])
async def test_no_row_without_the_audit_log(empty_database: str, release: str, role: str) -> None:
    """`audit_log = False` switches all of them off."""
    dsn = await prepare(empty_database, release, role)
    await _change_everything(dsn, {"X-Caller": "alice"}, audit_log="False")
    assert await _rows(empty_database) == []


@pytest.mark.parametrize("release", [release for release in RELEASES if generation_of(release) == 3])
async def test_a_run_of_airflow_3_says_who_triggered_it(empty_database: str, release: str, role: str) -> None:
    """The identified user, `Anonymous` for nobody; longer names than the column are cut."""
    dsn = await prepare(empty_database, release, role)
    names: list[str | None] = ["alice", None, "x" * 600]
    async with live_server(dsn, auth_backend="tests.airflow.named") as url, aiohttp.ClientSession() as session:
        for number, name in enumerate(names):
            headers = {"X-Caller": name} if name else {}
            path = f"{url}/api/experimental/dags/d/dag_runs"
            body = {"run_id": f"r{number}", "conf": {"airflow/task_span_detail_level": number}}
            async with session.post(path, json=body, headers=headers) as answer:
                assert answer.status == 200
    connection = await asyncpg.connect(empty_database)
    rows = [dict(row) for row in await connection.fetch("SELECT * FROM dag_run ORDER BY run_id")]
    await connection.close()
    carriers = [json.loads(row["context_carrier"]) for row in rows]
    assert {one["__type"] for one in carriers} == {"dict"}
    if "triggering_user_name" in rows[0]:
        assert [row["triggering_user_name"] for row in rows] == ["alice", "Anonymous", "x" * 512]
    levels = [None, "airflow/task_span_detail_level=1", "airflow/task_span_detail_level=2"]
    assert [one["__var"].get("tracestate") for one in carriers] == (levels if release == "3.3.2" else [None] * 3)
    if "created_at" in rows[0]:
        assert len({one["__var"]["traceparent"] for one in carriers}) == len(rows)
    else:
        assert [one["__var"] for one in carriers] == [{}] * len(rows)


@pytest.mark.parametrize("release", ["3.1.8", "3.3.2"])
async def test_the_caller_is_warned_of_numbers_that_no_task_reads(empty_database: str, release: str, role: str) -> None:
    """Beyond 64 bits with or without a sign, floats too, which are stored as whole numbers; a text is none."""
    dsn = await prepare(empty_database, release, role)
    numbers = {
        2**64 - 1: False, -(2**63): False, 2**64: True, -(2**63) - 1: True, "1" * 30: False, 10**40: True,
        1.5e30: True, 2e19: True, -1e19: True, 1e308: True, 1.25e18: False, -9e18: False, 1e-300: False, "1e30": False,
    }  # fmt: skip
    async with live_server(dsn) as url, aiohttp.ClientSession() as session:
        for number, warned in numbers.items():
            conf = {"deep": [{"x": number}]}
            async with session.post(f"{url}/api/experimental/dags/d/dag_runs", json={"conf": conf}) as answer:
                assert answer.status == 200
                assert ("64 bits" in answer.headers.get("X-Windsock-Warning", "")) is warned, number
