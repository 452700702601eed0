"""The grid of a DAG: its newest runs with the states of their tasks, beside the tables of every Airflow."""

from collections import Counter
from random import Random
from typing import Any

import aiohttp
import asyncpg
import pytest

from server.auth.permissions import RoleGrant
from server.database.schema import initdb
from server.wire.dag_patterns import dag_pattern
from tests import limited
from tests.airflow.schemas import add_dag, copy_dag, generation_of, insert_runs
from tests.airflow.serving import Api, connected, prepare, served
from tests.airflow.test_details import add_instance
from tests.live import live_server
from windsock.config import Dsn

STANDALONE = "standalone"
KINDS = ("1.10.15", "2.7.3", "2.10.5", "3.0.6", "3.3.2", STANDALONE)
STATES = ("success", "failed", "running", "queued", "up_for_retry", None)
FURTHEST_FIRST = ("running", "queued", "up_for_retry", None, "failed", "success")
RUNS = 12
GRID = "/dags/d/grid"
RUN_KEYS = {"id", "run_id", "execution_date", "state", "run_type", "start_date", "end_date", "tasks"}
# Copies of those that there are, with other map_indexes or ids; of the run $4, or of all.
MANY_INSTANCES = """
INSERT INTO task_instance SELECT (jsonb_populate_record(ti, jsonb_build_object(
    'id', gen_random_uuid(), 'map_index', n, 'task_id', CASE WHEN $3 THEN ti.task_id ELSE 't' || n END
))).* FROM task_instance AS ti, generate_series($1::int, $2::int) AS n
WHERE (to_jsonb(ti) ->> 'map_index' = '0' OR NOT $3) AND ($4::text IS NULL OR to_jsonb(ti) ->> 'run_id' = $4)"""


async def made(dsn: str, kind: str, role: str) -> str:
    """Make a database with the DAG `d`; the DSN of whoever serves it."""
    if kind != STANDALONE:
        return await prepare(dsn, kind, role)
    await initdb(Dsn.parse(dsn))
    async with connected(dsn) as conn:
        await conn.execute("DELETE FROM slot_pool")
    await add_dag(dsn, "1.10.15")
    return dsn


def generation(kind: str) -> int:
    """A standalone database has the tables of Airflow 1.10."""
    return 1 if kind == STANDALONE else generation_of(kind)


async def add_runs(conn: asyncpg.Connection, dag_id: str, number: int) -> None:
    """Add runs, one for each day, whose ids are not in the order of their dates."""
    rows = [
        {"dag_id": dag_id, "run_id": f"r{n:02}", "state": "success", "moment": f"2024-01-{n:02}T00:00:00Z"}
        for n in range(1, number + 1)
    ]
    Random(1).shuffle(rows)  # noqa: S311 - no secret
    await insert_runs(conn, rows)


def expected_cell(instances: list[tuple[int, str | None]]) -> object:
    """Say what a grid shows of the instances of one task in one run."""
    if instances[0][0] < 0:
        return instances[0][1]
    counted = Counter(state or "none" for _, state in instances)
    return {"mapped": dict(counted), "state": min((state for _, state in instances), key=FURTHEST_FIRST.index)}


@pytest.mark.parametrize("kind", KINDS)
async def test_runs_and_the_states_of_their_tasks(empty_database: str, kind: str, role: str) -> None:
    """Each as the tables say it, the newest first; pages follow each other; the tasks of the DAG come before others."""
    random = Random(kind)  # noqa: S311 - no secret
    dsn = await made(empty_database, kind, role)
    await copy_dag(empty_database, "e")
    mapped = generation(kind) > 1
    async with served(dsn, empty_database) as (api, conn):
        assert (await api.call("GET", GRID)) == (200, {"runs": [], "tasks": ["t", "m"] if mapped else ["t"]})
        await add_runs(conn, "d", RUNS)
        await insert_runs(conn, [{"dag_id": "e", "run_id": "of e", "state": "failed", "moment": "2025-01-01T00:00Z"}])
        expected: dict[str, dict[str, object]] = {}
        for n in range(1, RUNS + 1):
            run_id, instances = f"r{n:02}", {"t": [(-1, random.choice(STATES))], "gone": [(-1, random.choice(STATES))]}
            if mapped:
                instances["m"] = [(index, random.choice(STATES)) for index in range(random.randint(1, 9))]
            for task_id, found in instances.items():
                for index, state in found:
                    await add_instance(conn, run_id, task_id, state, index)
            expected[run_id] = {task_id: expected_cell(found) for task_id, found in instances.items()}
        status, grid = await api.call("GET", GRID)
        assert status == 200
        assert grid["tasks"] == (["t", "m", "gone"] if mapped else ["t", "gone"])
        assert [run["run_id"] for run in grid["runs"]] == sorted(expected, reverse=True)
        assert {run["run_id"]: run["tasks"] for run in grid["runs"]} == expected
        for run in grid["runs"]:
            assert set(run) == RUN_KEYS
            assert run["execution_date"] == f"2024-01-{run['run_id'][1:]}T00:00:00+00:00"
            assert run["run_type"] == ("manual" if mapped else None)
        await _check_pages(api, grid["runs"])


async def _check_pages(api: Api, runs: list[dict[str, Any]]) -> None:
    path, seen = f"{GRID}?limit=5", []
    while path:
        async with api.session.get(f"{api.url}/api/experimental{path}") as answer:
            page, link = await answer.json(), answer.headers.get("Link")
        assert len(page["runs"]) <= 5
        seen += page["runs"]
        assert (link is not None) == (len(seen) < len(runs))
        path = f"{GRID}?limit=5&before={page['runs'][-1]['id']}" if link else ""
        assert link is None or f"</api/experimental{path}>" in link
    assert seen == runs


@pytest.mark.parametrize("kind", ["1.10.15", "2.10.5", "3.3.2"])
async def test_what_a_grid_needs(empty_database: str, kind: str, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A DAG that exists, a run of that DAG, sensible numbers; and the permission for its task instances."""
    monkeypatch.setattr(limited, "CARRIED", {"one": [RoleGrant("Viewer", dag_pattern(["d"]))]})
    dsn = await made(empty_database, kind, role)
    await copy_dag(empty_database, "e")
    async with connected(empty_database) as conn:
        await add_runs(conn, "d", 2)
        await insert_runs(conn, [{"dag_id": "e", "run_id": "of e", "state": "failed", "moment": "2025-01-01T00:00Z"}])
        other = await conn.fetchval("SELECT id FROM dag_run WHERE dag_id = 'e'")
        oldest = await conn.fetchval("SELECT id FROM dag_run WHERE run_id = 'r01'")
    async with served(dsn, empty_database) as (api, _):
        for query, status in (
            (f"?before={other}", 404), ("?before=2000000000", 404), ("?before=99999999999", 400), ("?before=x", 400),
            ("?limit=0", 400), ("?limit=101", 400), ("?limit=100", 200), ("?limit=1&limit=2", 400),
        ):  # fmt: skip
            assert (await api.call("GET", f"{GRID}{query}"))[0] == status, query
        assert (await api.call("GET", f"{GRID}?before={oldest}"))[1]["runs"] == []
        assert (await api.call("GET", "/dags/nope/grid"))[1]["code"] == "dag_not_found"
    async with live_server(dsn, auth_backend=limited.NAME) as url, aiohttp_session("one") as session:
        api = Api(url, session)
        assert (await api.call("GET", GRID))[0] == 200
        assert (await api.call("GET", "/dags/e/grid"))[0] == 403


def aiohttp_session(user: str) -> aiohttp.ClientSession:
    """Call as that user."""
    return aiohttp.ClientSession(headers={limited.HEADER: user})


@pytest.mark.parametrize("kind", ["1.10.15", "3.3.2"])
async def test_a_grid_is_bounded(empty_database: str, kind: str, role: str) -> None:
    """Runs have at most 20,000 task instances together; the first one is there all the same, and says what it lacks."""
    dsn = await made(empty_database, kind, role)
    async with served(dsn, empty_database) as (api, conn):
        await add_runs(conn, "d", 3)
        mapped = generation(kind) > 1
        for run_id in ("r01", "r02", "r03"):
            await add_instance(conn, run_id, "m" if mapped else "t", "success", 0 if mapped else -1)
        await conn.execute(MANY_INSTANCES, 1, 7999, mapped, None)
        status, grid = await api.call("GET", GRID)
        assert (status, [run["run_id"] for run in grid["runs"]]) == (200, ["r03", "r02"])
        assert api.warning is None
        cells = [run["tasks"] for run in grid["runs"]]
        if not mapped:
            assert [len(cell) for cell in cells] == [8000, 8000]
        else:
            assert cells == [{"m": {"mapped": {"success": 8000}, "state": "success"}}] * 2
            await conn.execute(MANY_INSTANCES, 8000, 21000, mapped, "r03")
            status, grid = await api.call("GET", GRID)
            assert (status, [run["run_id"] for run in grid["runs"]]) == (200, ["r03"])
            assert grid["runs"][0]["tasks"]["m"]["mapped"] == {"success": 20000}
            assert "r03 has more than 20000 task instances" in (api.warning or "")


@pytest.mark.parametrize("kind", ["2.10.5", "3.3.2"])
async def test_the_tasks_of_a_dag_that_cannot_be_read(empty_database: str, kind: str, role: str) -> None:
    """The grid is there, with its tasks by their ids, and a warning says what is wrong."""
    dsn = await made(empty_database, kind, role)
    async with served(dsn, empty_database) as (api, conn):
        await add_runs(conn, "d", 1)
        for task_id in "tba":
            await add_instance(conn, "r01", task_id, "success")
        await conn.execute("""UPDATE serialized_dag SET data = '{"dag": {"dag_id": "d", "tasks": 5}}'""")
        status, grid = await api.call("GET", GRID)
        assert (status, grid["tasks"]) == (200, ["a", "b", "t"])
        assert "The order of the tasks is not known" in (api.warning or "")
