"""What is told of a run, of its task instances and of a DAG, beside the tables of every Airflow."""

import asyncio
import json
import random
from typing import Any

import aiohttp
import asyncpg
import pytest

from server.auth import permissions
from server.auth.permissions import Permission, RoleGrant
from server.database import statements
from server.wire.dag_patterns import dag_pattern
from server.wire.shapes import DagDetails, InstanceDetails, RunDetails
from tests import limited
from tests.airflow.schemas import copy_dag, generation_of
from tests.airflow.serving import Api, connected, prepare, served
from tests.airflow.test_seeing import TRACEBACK, broken
from tests.live import live_server

ONE_OF_EACH = ("1.10.15", "2.10.5", "3.3.2")
OLDEST_TOO = (*ONE_OF_EACH, "2.7.3", "3.0.6")
DATE = "2024-02-03T00:00:00+00:00"
RUN = "/dags/d/dag_runs/2024-02-03"
INSTANCE = """
INSERT INTO task_instance (
    id, dag_version_id,  -- if task_instance.dag_version_id
    execution_date,  -- if task_instance.execution_date
    run_id, map_index,  -- if task_instance.run_id
    dag_id, task_id, state, pool, pool_slots, try_number, max_tries, start_date, duration, hostname)
SELECT
    gen_random_uuid(),  -- if task_instance.dag_version_id
    (SELECT max(id::text)::uuid FROM dag_version WHERE dag_id = run.dag_id),  -- if task_instance.dag_version_id
    run.execution_date,  -- if task_instance.execution_date
    run.run_id, $4,  -- if task_instance.run_id
    run.dag_id, $2, $3, 'default_pool', 1, 1, 2, '2024-02-03 01:00:00.5+00', 1.5, 'h'
FROM dag_run AS run WHERE run.run_id = $1 AND coalesce($4::integer, 0) IS NOT NULL
"""
STATES = """
SELECT r.dag_id, r.run_id, t.state FROM dag_run AS r JOIN task_instance AS t ON t.dag_id = r.dag_id AND
    t.run_id = r.run_id  -- if task_instance.run_id
    t.execution_date = r.execution_date  -- unless task_instance.run_id
"""
NOTE = "INSERT INTO dag_run_note (dag_run_id, content, created_at, updated_at) VALUES ($1, 'a note', now(), now())"


async def fitted(conn: asyncpg.Connection, text: str) -> str:
    """Fit a statement to the tables that there are."""
    return statements.fit(text, {row[0] for row in await conn.fetch(statements.load("catalogue.sql")["columns"])})


async def add_instance(
    conn: asyncpg.Connection, run_id: str, task_id: str, state: str | None, map_index: int = -1
) -> None:
    """Add a row to `task_instance`."""
    await conn.execute(await fitted(conn, INSTANCE), run_id, task_id, state, map_index)


def keys(answer: dict[str, Any]) -> set[str]:
    """Keys of an object."""
    return set(answer)


@pytest.mark.parametrize("release", OLDEST_TOO)
async def test_the_instances_of_a_run(empty_database: str, release: str, role: str) -> None:
    """As they will be while nobody has made them; then the rows, mapped ones too, in pages and in either order."""
    generation = generation_of(release)
    dsn = await prepare(empty_database, release, role)
    async with served(dsn, empty_database) as (api, conn):
        await api.trigger(run_id="a", execution_date=DATE)
        status, planned = await api.call("GET", f"{RUN}/tasks")
        assert (status, [one["task_id"] for one in planned]) == (200, ["t"] if generation == 1 else ["m", "t"])
        last = planned[-1]
        assert keys(last) == set(InstanceDetails.__struct_fields__)
        assert {**last, "waits_for": None} == {
            **dict.fromkeys(keys(last)), "dag_id": "d", "execution_date": DATE, "hostname": "", "map_index": -1,
            "max_tries": 2, "operator": "BashOperator", "pool": "default_pool", "pool_slots": 1, "priority_weight": 1,
            "queue": "default", "run_id": "a", "task_id": "t", "try_number": 0,
        }  # fmt: skip
        await conn.execute("UPDATE dag SET is_paused = true; DELETE FROM slot_pool")
        _, waiting = await api.call("GET", f"{RUN}/tasks")
        _, single = await api.call("GET", f"{RUN}/tasks/t/waits_for")
        assert waiting[-1]["waits_for"] == single["waits_for"]
        assert {"its DAG is paused", "its pool default_pool does not exist"} <= set(single["waits_for"])
        await add_instance(conn, "a", "t", "success")
        for n in range(3 if generation > 1 else 0):
            await add_instance(conn, "a", "m", "scheduled" if n else "failed", n)
        _, rows = await api.call("GET", "/dags/d/dag_runs/run_id=a/tasks")
        mapped = [] if generation == 1 else [("m", 0, "failed"), ("m", 1, "scheduled"), ("m", 2, "scheduled")]
        seen = [(one["task_id"], one["map_index"], one["state"]) for one in rows]
        assert seen == [*mapped, ("t", -1, "success")]
        assert [bool(one["waits_for"]) for one in rows] == [state == "scheduled" for *_, state in seen]
        assert (rows[-1]["start_date"], rows[-1]["duration"]) == ("2024-02-03T01:00:00.500000+00:00", 1.5)
        _, turned = await api.call("GET", f"{RUN}/tasks?order_by=-task_id")
        assert turned == rows[::-1]
        pages = [(await api.call("GET", f"{RUN}/tasks?limit=1&offset={n}"))[1][0] for n in range(len(rows))]
        assert pages == rows
        async with api.session.get(f"{api.url}/api/experimental{RUN}/tasks?limit=1") as answer:
            assert answer.headers["X-Total-Count"] == str(len(rows))
        await conn.execute("UPDATE dag_run SET state = 'failed'; DELETE FROM task_instance")
        assert await api.call("GET", f"{RUN}/tasks") == (200, [])
        for path, code in (
            ("/dags/d/dag_runs/run_id=no/tasks", "run_not_found"),
            ("/dags/x/dag_runs/run_id=a/tasks", "dag_not_found"),
        ):
            status, answer = await api.call("GET", path)
            assert (status, answer["code"]) == (404, code)


@pytest.mark.parametrize("release", ONE_OF_EACH)
async def test_a_dag_that_cannot_be_read_hides_no_rows(empty_database: str, release: str, role: str) -> None:
    """A warning says that nobody knows what its tasks wait for."""
    dsn = await prepare(empty_database, release, role)
    async with served(dsn, empty_database) as (api, conn):
        await api.trigger(run_id="a", execution_date=DATE)
        await add_instance(conn, "a", "t", "scheduled")
        await conn.execute('UPDATE serialized_dag SET data = \'{"dag": {"tasks": 7}}\'')
        status, rows = await api.call("GET", f"{RUN}/tasks")
        assert (status, [(one["task_id"], one["waits_for"]) for one in rows]) == (200, [("t", None)])
        assert "not known why tasks wait" in (api.warning or "")


@pytest.mark.parametrize("release", OLDEST_TOO)
async def test_the_details_of_a_run(empty_database: str, release: str, role: str) -> None:
    """The same keys everywhere; the conf as it was sent; without the parameter the answer is as it was."""
    generation = generation_of(release)
    dsn = await prepare(empty_database, release, role)
    conf = {"n": 3, "z": [1, {"x": None}], "ż": "\x7f"}
    async with served(dsn, empty_database) as (api, conn):
        await api.trigger(run_id="a", execution_date=DATE, conf=conf)
        state = "running" if generation == 1 else "queued"
        async with api.session.get(f"{api.url}/api/experimental{RUN}") as answer:
            assert await answer.read() == f'{{"state":"{state}"}}\n'.encode()
        async with api.session.get(f"{api.url}/api/experimental{RUN}?details=true") as answer:
            text = await answer.text()
        assert (
            text
            == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")).replace("\x7f", "\\u007f") + "\n"
        )
        found = json.loads(text)
        assert keys(found) == set(RunDetails.__struct_fields__)
        assert (found["conf"], found["conf_error"], found["state"], found["task_states"]) == (conf, None, state, {})
        _, (listed,) = await api.call("GET", "/dags/d/dag_runs")
        assert {**listed, "start_date": listed["start_date"] or None} == {name: found[name] for name in listed}
        assert found["run_type"] == (None if generation == 1 else "manual")
        assert found["external_trigger"] == (None if generation == 3 else True)
        assert found["data_interval_end"] == (None if generation == 1 else DATE)
        await add_instance(conn, "a", "t", "failed")
        if generation > 1:
            await add_instance(conn, "a", "m", None)
            await conn.execute(NOTE, found["id"])
        await conn.execute("UPDATE dag_run SET end_date = '2024-02-04', state = 'failed'")
        _, ended = await api.call("GET", "/dags/d/dag_runs/run_id=a?details=true&wait=5")
        assert (ended["end_date"], ended["state"]) == ("2024-02-04T00:00:00+00:00", "failed")
        assert ended["task_states"] == ({"failed": 1} if generation == 1 else {"failed": 1, "none": 1})
        assert ended["note"] == (None if generation == 1 else "a note")
        await conn.execute("UPDATE dag_run SET conf = NULL")
        _, found = await api.call("GET", f"{RUN}?details=true")
        assert (found["conf"], found["conf_error"]) == (None, None)


@pytest.mark.parametrize("release", ["1.10.15", "2.10.5"])
async def test_a_conf_that_cannot_be_read(empty_database: str, release: str, role: str) -> None:
    """Everything else is there."""
    dsn = await prepare(empty_database, release, role)
    async with served(dsn, empty_database) as (api, conn):
        await api.trigger(run_id="a", execution_date=DATE)
        for data, why in (
            (b"\x80\x04cos\nsystem\n.", "GLOBAL"),
            (b"{}", "not a pickle"),
            (b"x" * (2**22 + 1), "too large"),
        ):
            await conn.execute("UPDATE dag_run SET conf = $1", data)
            status, found = await api.call("GET", f"{RUN}?details=true")
            assert (status, found["run_id"], found["conf"]) == (200, "a", None)
            assert why in found["conf_error"]


@pytest.mark.parametrize("release", ONE_OF_EACH)
async def test_no_answer_is_about_another_run(empty_database: str, release: str, role: str) -> None:
    """Many runs asked for at the same time, by date and by run_id, among them some that do not exist."""
    dsn = await prepare(empty_database, release, role)
    await copy_dag(empty_database, "e")
    chance = random.Random(4)  # noqa: S311 - no secret
    states = ("success", "failed", "running", "queued")
    async with served(dsn, empty_database) as (api, conn):
        wanted = {}
        for n in range(10):
            for dag_id in ("d", "e"):
                body = {"run_id": f"r{n}", "execution_date": f"2024-02-{n + 1:02}", "conf": {"n": 1 + n, "of": dag_id}}
                assert (await api.call("POST", f"/dags/{dag_id}/dag_runs", body))[0] == 200
                state = chance.choice(states)
                await conn.execute(
                    "UPDATE dag_run SET state = $1 WHERE dag_id = $2 AND run_id = $3", state, dag_id, body["run_id"]
                )
                wanted[dag_id, n] = state, body["conf"]
            await add_instance(conn, f"r{n}", "t", chance.choice(states))
        rows = await conn.fetch(await fitted(conn, STATES))
        instances = {(row["dag_id"], row["run_id"]): row["state"] for row in rows}
        assert len(instances) == 20

        async def ask() -> None:
            dag_id, n = chance.choice("de"), chance.randrange(12)
            by_date, wait = chance.random() < 0.5, "&wait=0.05" if chance.random() < 0.3 else ""
            path = f"/dags/{dag_id}/dag_runs/" + (f"2024-02-{n + 1:02}" if by_date else f"run_id=r{n}")
            async with api.session.get(f"{api.url}/api/experimental{path}?details=true{wait}") as answer:
                found = await answer.json()
            async with api.session.get(f"{api.url}/api/experimental{path}/tasks") as answer:
                tasks = await answer.json()
            if n >= 10:
                assert found["code"] == tasks["code"] == "run_not_found"
                return
            assert (found["dag_id"], found["run_id"]) == (dag_id, f"r{n}")
            assert (found["state"], found["conf"]) == wanted[dag_id, n]
            assert found["task_states"] == {instances[dag_id, f"r{n}"]: 1}
            assert [(one["dag_id"], one["run_id"], one["state"]) for one in tasks] == [
                (dag_id, f"r{n}", instances[dag_id, f"r{n}"])
            ]

        await asyncio.gather(*(ask() for _ in range(100)))


@pytest.mark.parametrize("release", OLDEST_TOO)
async def test_the_details_of_a_dag(empty_database: str, release: str, role: str) -> None:
    """The same keys everywhere, with those of the list of DAGs; its runs are counted by state."""
    generation = generation_of(release)
    dsn = await prepare(empty_database, release, role)
    async with served(dsn, empty_database) as (api, conn):
        for n in range(3):
            await api.trigger(run_id=f"r{n}", execution_date=f"2024-02-0{n + 1}")
        await conn.execute("UPDATE dag_run SET state = 'success' WHERE run_id <> 'r0'")
        await conn.execute("UPDATE dag_run SET state = 'running' WHERE run_id = 'r0'")
        await conn.execute("UPDATE dag SET description = 'what for'")
        if generation > 1:
            await conn.execute("UPDATE dag SET next_dagrun = '2024-03-01', timetable_description = 'Never'")
        status, found = await api.call("GET", "/dags/d")
        fields = set(DagDetails.__struct_fields__)
        assert (status, keys(found)) == (200, fields - {"next_runs", "next_runs_note"})
        assert keys((await api.call("GET", "/dags/d?next_runs=1"))[1]) == fields
        _, (listed,) = await api.call("GET", "/dags")
        assert listed == {name: found[name] for name in listed}
        assert found["run_states"] == {"failed": 0, "queued": 0, "running": 1, "success": 2}
        assert (found["description"], found["import_error"], found["tags"]) == ("what for", None, ["a", "b"])
        assert found["next_dagrun"] == (None if generation == 1 else "2024-03-01T00:00:00+00:00")
        await conn.execute(broken(generation, "other.py"), "of another file")
        assert (await api.call("GET", "/dags/d"))[1]["import_error"] is None
        await conn.execute(broken(generation, "d.py"), TRACEBACK)
        assert (await api.call("GET", "/dags/d"))[1]["import_error"] == TRACEBACK
        _, latest = await api.call("GET", "/latest_runs?details=true")
        _, usual = await api.call("GET", "/latest_runs")
        (item,), (before,) = latest["items"], usual["items"]
        assert keys(before) == {"dag_id", "dag_run_url", "execution_date", "start_date"}
        assert {name: item[name] or "" for name in before} == before
        assert (item["run_id"], item["state"], item["end_date"]) == ("r2", "success", None)


@pytest.mark.parametrize("release", ONE_OF_EACH)
async def test_details_hold_what_the_caller_may_read(
    empty_database: str, release: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why a file is broken, how its runs and tasks are: each for those who may read it."""
    read = {name: Permission("can_read", name) for name in ("DAGs", "DAG Runs", "Task Instances", "ImportError")}
    monkeypatch.setitem(permissions.ROLES, "dags", frozenset({read["DAGs"]}))
    monkeypatch.setitem(permissions.ROLES, "runs", frozenset({read["DAGs"], read["DAG Runs"]}))
    carried = {
        "one": [RoleGrant("Viewer", dag_pattern(["d"]))],
        "dags": [RoleGrant("dags")],
        "runs": [RoleGrant("runs", dag_pattern(["d"]))],
    }
    monkeypatch.setattr(limited, "CARRIED", carried)
    dsn = await prepare(empty_database, release, role)
    await copy_dag(empty_database, "e")
    async with connected(empty_database) as conn:
        await conn.execute(broken(generation_of(release), "d.py"), TRACEBACK)
    said: dict[str, Any] = {}
    async with live_server(dsn, auth_backend=limited.NAME) as url:
        for user in ("admin", "one", "dags", "runs"):
            async with aiohttp.ClientSession(headers={limited.HEADER: user}) as session:
                api = Api(url, session)
                if user == "admin":
                    await api.trigger(run_id="a", execution_date=DATE)
                _, dag = await api.call("GET", "/dags/d")
                status, run = await api.call("GET", f"{RUN}?details=true")
                said[user] = dag["import_error"], dag["run_states"] is None, status, run.get("task_states", "")
                assert (await api.call("GET", "/dags/e"))[0] == (200 if user in {"admin", "dags"} else 403)
                assert (await api.call("GET", f"{RUN}/tasks"))[0] == (200 if user in {"admin", "one"} else 403)
    needs = "REDACTED: this needs can_read on ImportError"
    assert said == {
        "admin": (TRACEBACK, False, 200, {}),
        "one": ("REDACTED: this file also has DAGs that you may not read", False, 200, {}),
        "dags": (needs, True, 403, ""),
        "runs": (needs, False, 200, None),
    }
