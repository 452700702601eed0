"""What is seen of an Airflow that does not go on, on every supported schema, with what deploy/grants.sql grants."""

import json
from typing import Any

import aiohttp
import asyncpg
import pytest

from server.database.catalogue import read_catalogue
from server.database.metadata import open_metadata
from server.errors import NotFound
from tests.airflow.schemas import RELEASES, add_dag, add_runs, generation_of, make_schema
from tests.airflow.serving import Api, connected, prepare
from tests.live import config_for, live_server

DATE = "2024-02-03T04:05:06+00:00"
TASK = f"/dags/d/dag_runs/{DATE.replace('+', '%2B')}/tasks/t"
TRACEBACK = (
    "Traceback (most recent call last):\n  File \"/x/d.py\", line 3, in <module>\nNameError: name 'x' is not defined\n"
)


def broken(generation: int, name: str) -> str:
    """Make the statement with which that Airflow notes a file that it cannot import."""
    columns = ("filename, bundle_name", f"'{name}', 'dags-folder'") if generation == 3 else ("filename", f"'/{name}'")
    return f"INSERT INTO import_error ({columns[0]}, stacktrace) VALUES ({columns[1]}, $1)"


@pytest.mark.parametrize("release", RELEASES)
async def test_import_errors(empty_database: str, release: str, role: str) -> None:
    """Listed, warned of at a trigger, named by the 404 of a DAG that never was imported."""
    generation = generation_of(release)
    dsn = await prepare(empty_database, release, role)
    conn = await asyncpg.connect(empty_database)
    await conn.execute("UPDATE job SET latest_heartbeat = now() + interval '1 hour'")
    async with live_server(dsn) as url, aiohttp.ClientSession() as session:
        api = Api(url, session)
        assert (await api.trigger(run_id="a", execution_date=DATE))[0] == 200
        assert api.warning is None
        await conn.execute(broken(generation, "other.py"), TRACEBACK.replace("/x/d.py", "/x/other.py"))
        assert (await api.trigger(run_id="b", execution_date="2024-02-04"))[0] == 200
        assert api.warning is None
        await conn.execute(broken(generation, "d.py"), TRACEBACK)
        assert (await api.trigger(run_id="c", execution_date="2024-02-05"))[0] == 200
        assert "import errors" in (api.warning or "")
        _, found = await api.call("GET", "/import_errors")
        assert [one["filename"].strip("/") for one in found] == ["d.py", "other.py"]
        assert found[0]["stacktrace"] == TRACEBACK
        status, answer = await api.call("GET", "/dags/other/tasks")
        name = "other.py" if generation == 3 else "/other.py"
        why = f"its file cannot be loaded: {name}:3: NameError: name 'x' is not defined"
        assert (status, answer["error"]) == (404, f"Dag id other not found in DagModel: {why}")
    await conn.close()


@pytest.mark.parametrize("release", RELEASES)
async def test_what_a_task_waits_for(empty_database: str, release: str, role: str) -> None:
    """The pause, the pool, the limit of runs, the future, the scheduler."""
    generation = generation_of(release)
    dsn = await prepare(empty_database, release, role)
    conn = await asyncpg.connect(empty_database)
    await conn.execute("UPDATE job SET latest_heartbeat = now() + interval '1 hour'")
    async with live_server(dsn) as url, aiohttp.ClientSession() as session:
        api = Api(url, session)
        await api.trigger(run_id="a", execution_date=DATE)
        assert await api.call("GET", f"{TASK}/waits_for") == (200, {"waits_for": []})
        await conn.execute("DELETE FROM slot_pool")
        await api.call("GET", "/dags/d/paused/true")
        if generation > 1:
            await conn.execute("UPDATE dag SET max_active_runs = 1")
            await conn.execute("UPDATE dag_run SET state = 'running'")
            await api.trigger(run_id="b", execution_date="2024-02-04")
            _, answer = await api.call("GET", "/dags/d/dag_runs/2024-02-04/tasks/t/waits_for")
            assert "its DAG has 1 run under way, and max_active_runs is 1" in answer["waits_for"]
        _, answer = await api.call("GET", f"{TASK}/waits_for")
        assert answer["waits_for"] == ["its DAG is paused", "its pool default_pool does not exist"]
        await api.trigger(run_id="f", execution_date="2124-01-01")
        _, answer = await api.call("GET", "/dags/d/dag_runs/2124-01-01/tasks/t/waits_for")
        assert "its run starts at 2124-01-01 00:00:00 UTC, in the future" in answer["waits_for"]
        await conn.execute("UPDATE job SET latest_heartbeat = now() - interval '1 hour'")
        _, answer = await api.call("GET", f"{TASK}/waits_for")
        assert answer["waits_for"][0] == "no scheduler is alive"
        assert (await api.call("GET", f"{TASK[:-1]}x/waits_for"))[0] == 404
        assert (await api.call("GET", "/dags/d/dag_runs/2020-01-01/tasks/t/waits_for"))[0] == 404
    await conn.close()


@pytest.mark.parametrize("release", RELEASES)
async def test_figures_cost_no_look_at_a_whole_table(empty_database: str, release: str) -> None:
    """What is counted for the metrics, and what a task waits for, is found by the indexes that the release has."""
    await make_schema(empty_database, release)
    await add_dag(empty_database, release)
    await add_runs(empty_database)
    async with connected(empty_database) as connection:
        named = (await read_catalogue(connection, allow_unknown=False)).statements
        async with connection.transaction():
            await connection.execute(named["bound_counting"])
            for name, arguments in {
                "unfinished_runs": (),
                "unfinished_tasks": (),
                "oldest_queued": (),
                "waiting_instance": ("d", None, "t"),
                "waiting_facts": (1, ["default_pool"], ["u"], ["t"], ["t"]),
                "run_instances": (1, "[]", None, 0),
                "run_details": ("d", None, "", 0),
                "dag_details": ("d",),
                "list_unfinished_runs": ("", "", None),
            }.items():
                plan = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {named[name]}", *arguments))
                assert not {"dag_run", "task_instance"} & set(_read_whole(plan[0]["Plan"])), name


@pytest.mark.parametrize("release", RELEASES)
async def test_figures(empty_database: str, release: str, role: str) -> None:
    """Runs and tasks by state, with the privileges that a role has."""
    dsn = await prepare(empty_database, release, role)
    conn = await asyncpg.connect(empty_database)
    await add_runs(empty_database)
    await conn.execute("UPDATE dag_run SET state = 'running' WHERE run_id < 'run_11'")
    await conn.execute(
        "UPDATE task_instance SET state = 'queued', queued_dttm = now() - interval '1 minute' WHERE ctid ="
        " (SELECT min(ctid) FROM task_instance)"
    )
    await conn.execute(
        "UPDATE task_instance SET state = 'queued', queued_dttm = 'infinity' WHERE ctid ="
        " (SELECT min(ctid) FROM task_instance WHERE state IS DISTINCT FROM 'queued')"
    )
    expected = await conn.fetchval("SELECT count(*) FROM dag_run WHERE state = 'running'")
    await conn.close()
    async with open_metadata(config_for(dsn)) as metadata:
        work = await metadata.scheduler.work()
    assert work.runs == {"queued": 0, "running": expected}
    assert {state: number for state, number in work.tasks.items() if number} == {"queued": 2}
    assert 60 <= work.oldest_queued < 120
    assert work.import_errors == 0


async def test_an_unknown_dag_without_the_grant_that_tells_why(empty_database: str, role: str) -> None:
    """It is not found all the same, as before the grant was needed."""
    dsn = await prepare(empty_database, "2.10.5", role)
    conn = await asyncpg.connect(empty_database)
    await conn.execute(f"REVOKE SELECT (id, stacktrace) ON import_error FROM {role}")
    await conn.close()
    async with open_metadata(config_for(dsn)) as metadata:
        with pytest.raises(NotFound, match=r"Dag id nope not found in DagModel$"):
            await metadata.dags.get("nope")


def _read_whole(plan: dict[str, Any]) -> list[str]:
    own = [plan["Relation Name"]] if plan["Node Type"] == "Seq Scan" else []
    return own + [table for child in plan.get("Plans", ()) for table in _read_whole(child)]
