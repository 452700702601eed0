"""The tasks of a DAG for its graph, its params, how full pools are, and the versions; beside every Airflow."""

import json
from typing import Any

import aiohttp
import asyncpg
import pytest

from server.auth import permissions
from server.auth.permissions import Permission, RoleGrant
from server.database.generations import RELEASES as REVISIONS
from server.wire.dag_patterns import dag_pattern
from tests import limited
from tests.airflow.serving import Api, connected, served
from tests.airflow.test_details import add_instance
from tests.airflow.test_grid import add_runs, generation, made
from tests.live import live_server
from windsock.version import __version__

KINDS = ("1.10.15", "2.7.3", "2.10.5", "3.0.6", "3.3.2", "standalone")
PARAM = "airflow.models.param.Param"


async def store(conn: asyncpg.Connection, kind: str, **changes: object) -> None:
    """Write the serialized DAG `d` again, with other fields; each task is given plainly."""
    document = json.loads(await conn.fetchval("SELECT data FROM serialized_dag"))
    tasks = changes.pop("tasks", None)
    if isinstance(tasks, list) and generation(kind) > 1:
        tasks = [{"__type": "operator", "__var": task} for task in tasks]
    document["dag"] |= {**changes, **({} if tasks is None else {"tasks": tasks})}
    await conn.execute("UPDATE serialized_dag SET data = $1", json.dumps(document))


def _task(task_id: str, *downstream: str, **more: object) -> dict[str, Any]:
    return {"task_id": task_id, "_task_type": "BashOperator", "downstream_task_ids": list(downstream), **more}


@pytest.mark.parametrize("kind", KINDS)
async def test_tasks_in_topological_order(empty_database: str, kind: str, role: str) -> None:
    """Each comes after those that it waits for; what is odd about one of them does not spoil the others."""
    dsn = await made(empty_database, kind, role)
    path = "/dags/d/tasks?details=true"
    async with served(dsn, empty_database) as (api, conn):
        _, before = await api.call("GET", "/dags/d/tasks")
        await store(
            conn, kind,
            tasks=[
                _task("last", doc_md="x" * 5000),
                _task("first", "b", "a", "gone", retries=3, pool="p", trigger_rule="all_done", doc="why é"),
                _task("a", "last", _is_mapped=True),
                _task("b", "last", doc_md=5),
            ],
        )  # fmt: skip
        status, tasks = await api.call("GET", path)
        assert (status, [one["task_id"] for one in tasks]) == (200, ["first", "a", "b", "last"])
        first, a, b, last = tasks
        assert first == {
            "doc": "why é", "downstream_task_ids": ["a", "b"], "is_mapped": False, "operator": "BashOperator",
            "owner": "airflow", "pool": "p", "retries": 3, "task_id": "first", "trigger_rule": "all_done",
            "upstream_task_ids": [],
        }  # fmt: skip
        assert [one["upstream_task_ids"] for one in (a, b, last)] == [["first"], ["first"], ["a", "b"]]
        assert (a["is_mapped"], b["doc"], len(last["doc"])) == (True, None, 2000)
        _, plain = await api.call("GET", "/dags/d/tasks")
        assert [one["task_id"] for one in plain] == ["last", "first", "a", "b"]
        assert set(plain[0]) == set(before[0]) == set(first) - {"doc", "is_mapped", "upstream_task_ids"}
        await store(conn, kind, tasks=[_task("b", "a"), _task("a", "b"), _task("c")])
        _, circle = await api.call("GET", path)
        assert [one["task_id"] for one in circle] == ["b", "a", "c"]
        assert [one["upstream_task_ids"] for one in circle] == [["a"], ["b"], []]
        await store(conn, kind, tasks=[_task("c") | {"downstream_task_ids": 5}, _task("a")])
        status, odd = await api.call("GET", path)
        assert (status, [one["task_id"] for one in odd]) == (200, ["c", "a"])
        await conn.execute("UPDATE serialized_dag SET data = '5'")
        assert (await api.call("GET", path))[0] in {404, 409}
        assert (await api.call("GET", "/dags/d/tasks?details=x"))[0] == 400


def _param(**fields: object) -> dict[str, object]:
    return {"__class": PARAM, **fields}


@pytest.mark.parametrize("kind", KINDS)
async def test_the_params_of_a_dag(empty_database: str, kind: str, role: str) -> None:
    """With their defaults as JSON; null if there are none, or if nobody can read them."""
    dsn = await made(empty_database, kind, role)
    async with served(dsn, empty_database) as (api, conn):

        async def params(given: object) -> object:
            await store(conn, kind, params=given)
            status, dag = await api.call("GET", "/dags/d")
            assert status == 200
            return dag["params"]

        assert (await api.call("GET", "/dags/d"))[1]["params"] == (
            None
            if generation(kind) == 1
            else [{"name": "n", "value": 5, "description": None, "schema": {"type": "integer", "minimum": 1}}]
        )
        day = {"__type": "datetime", "__var": 1577836800}
        assert await params({"a": "x é", "b": 1, "day": day}) == [
            {"name": "a", "value": "x é", "description": None, "schema": {}},
            {"name": "b", "value": 1, "description": None, "schema": {}},
            {"name": "day", "value": "2020-01-01T00:00:00+00:00", "description": None, "schema": {}},
        ]
        schema = {"__type": "dict", "__var": {"type": ["string", "null"], "title": "T"}}
        assert await params(
            [
                ["x", _param(default=None, description="what", schema=schema)],
                ["y", _param(default={"__type": "arg_not_set"}, description=5)],
            ]
        ) == [
            {"name": "x", "value": None, "description": "what", "schema": {"type": ["string", "null"], "title": "T"}},
            {"name": "y", "value": None, "description": None, "schema": {}},
        ]
        odd: list[object] = [{}, [], 5, None, [5], [["x"]], [["x", _param(schema=5)]], {"x": "y" * 300_000}]
        for value in odd:
            assert await params(value) is None, value
        await conn.execute("UPDATE serialized_dag SET data = '5'")
        status, dag = await api.call("GET", "/dags/d")
        assert (status, dag["params"]) == (200, None)
        await conn.execute("DELETE FROM serialized_dag")
        status, dag = await api.call("GET", "/dags/d")
        assert (status, dag["params"]) == (200, None)


@pytest.mark.parametrize("kind", KINDS)
async def test_how_full_pools_are(empty_database: str, kind: str, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slots of tasks that run, are queued, wait and, where the release counts them, are deferred; not for everybody."""
    monkeypatch.setattr(limited, "CARRIED", {"some": [RoleGrant("Viewer", dag_pattern(["d"])), RoleGrant("pools")]})
    monkeypatch.setitem(permissions.ROLES, "pools", frozenset({Permission("can_read", "Pools")}))
    dsn = await made(empty_database, kind, role)
    newer = generation(kind) > 1
    async with connected(empty_database) as conn:
        await conn.execute("DELETE FROM slot_pool")
        for pool, slots in (
            ("default_pool", 9),
            ("endless", -1),
            ("odd", -1 if generation(kind) == 3 else None),
            ("waiting", 3),
        ):
            given = (pool, slots, pool == "waiting") if newer else (pool, slots)
            names = "pool, slots, include_deferred" if newer else "pool, slots"
            await conn.execute(f"INSERT INTO slot_pool ({names}) VALUES ($1, $2{', $3' if newer else ''})", *given)
        await add_runs(conn, "d", 6)
        for n, state in enumerate(("running", "running", "queued", "deferred", "success", "scheduled"), 1):
            await add_instance(conn, f"r{n:02}", "t", state)
        await conn.execute("UPDATE task_instance SET pool_slots = 2 WHERE state = 'queued'")
        if newer:
            await conn.execute("UPDATE task_instance SET pool = 'waiting' WHERE state = 'deferred'")
    async with live_server(dsn, auth_backend=limited.NAME) as url:
        answers = {}
        for user in ("admin", "some"):
            async with aiohttp.ClientSession(headers={limited.HEADER: user}) as session:
                api = Api(url, session)
                answers[user] = (await api.call("GET", "/pools?details=true"))[1]
                _, plain = await api.call("GET", "/pools")
    use = ("running_slots", "queued_slots", "open_slots", "deferred_slots", "scheduled_slots")
    nothing = 0 if newer else None
    assert {one["pool"]: tuple(one[name] for name in use) for one in answers["admin"]} == {
        "default_pool": (2, 2, 5, nothing, 1), "endless": (0, 0, None, nothing, 0), "odd": (0, 0, None, nothing, 0),
        "waiting": (0, 0, 2 if newer else 3, 1 if newer else None, 0),
    }  # fmt: skip
    assert all(one[name] is None for one in answers["some"] for name in use)
    for answer in answers.values():
        assert [{name: one[name] for name in one if name not in use} for one in answer] == plain


@pytest.mark.parametrize("kind", KINDS)
async def test_versions(empty_database: str, kind: str, role: str) -> None:
    """Those of the service, of Postgres, of the Airflow whose tables these are, and of the schema."""
    dsn = await made(empty_database, kind, role)
    async with served(dsn, empty_database) as (api, conn):
        status, found = await api.call("GET", "/version")
        assert (status, found["windsock"]) == (200, __version__)
        assert found["database"] == f"PostgreSQL {(await conn.fetchval('SHOW server_version')).split()[0]}"
        if kind == "standalone":
            assert found["airflow"] is None
            assert found["schema"] == str(await conn.fetchval("SELECT max(version) FROM windsock_schema"))
        else:
            assert found["schema"] == await conn.fetchval("SELECT version_num FROM alembic_version")
            assert found["airflow"] == REVISIONS[found["schema"]]
