"""The API on every supported schema, with the privileges of deploy/grants.sql alone; directly and through PgBouncer."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import asyncpg
import pytest

from server.standalone.postgres import EmbeddedPostgres
from tests.airflow.schemas import RELEASES, generation_of
from tests.airflow.serving import Api, prepare
from tests.live import live_server

DATE = "2024-02-03T04:05:06+00:00"
RUN_URLS = {
    1: "/admin/airflow/graph?dag_id=d&execution_date=2024-02-03+04%3A05%3A06%2B00%3A00",
    2: "/dags/d/graph?execution_date=2024-02-03+04:05:06%2B00:00",
    3: "/dags/d/runs/r1",
}


@pytest.mark.parametrize("release", RELEASES)
async def test_every_endpoint_with_exactly_those_privileges(empty_database: str, release: str, role: str) -> None:
    """Trigger, lists, states, pause, pools, source, health and delete, as the contract has them."""
    generation = generation_of(release)
    dsn = await prepare(empty_database, release, role)
    async with live_server(dsn) as url, aiohttp.ClientSession() as session:
        api = Api(url, session)
        await _check_runs(api, generation)
        await _check_tasks(api, generation)
        assert await api.call("GET", "/dags/d/paused/true") == (200, {"response": "ok"})
        assert await api.call("GET", "/dags/d/paused") == (200, {"is_paused": True})
        assert (await api.trigger(run_id="r9", execution_date="2024-05-05"))[0] == 200
        assert "paused" in (api.warning or "")
        name = "p" * (50 if generation == 1 else 256)
        pool = {"name": name, "slots": 1, "description": ""}
        assert (await api.call("POST", "/pools", pool))[0] == 200
        assert (await api.call("POST", "/pools", {**pool, "name": name + "p"}))[0] == 400
        assert (await api.call("DELETE", f"/pools/{name}"))[0] == 200
        async with session.get(f"{url}/health") as health:
            assert (await health.json())["scheduler"]["status"] == "healthy"
        async with session.get(f"{url}/api/experimental/dags/d/code") as code:
            assert await code.text() == "source"
        # The DAG, two runs, two tags and what is serialized; in 3.x two versions instead, each with code and data.
        count = 11 if generation == 3 else 6
        assert await api.call("DELETE", "/dags/d") == (200, {"count": count, "message": f"Removed {count} record(s)"})


async def _check_runs(api: Api, generation: int) -> None:
    status, made = await api.trigger(run_id="r1", execution_date=DATE, conf={"n": 3})
    assert (status, made["run_id"], made["execution_date"]) == (200, "r1", DATE)
    assert (await api.trigger(run_id="r1", execution_date="2024-02-04"))[1] == {
        "code": "run_exists",
        "error": "Run id r1 already exists for dag id d",
    }
    assert "r1" in (await api.trigger(run_id="r2", execution_date=DATE))[1]["error"]
    state = "running" if generation == 1 else "queued"
    assert await api.call("GET", f"/dags/d/dag_runs/{DATE.replace('+', '%2B')}") == (200, {"state": state})
    assert await api.call("GET", "/dags/d/dag_runs/run_id=r1") == (200, {"state": state})
    _, runs = await api.call("GET", "/dags/d/dag_runs")
    assert [(run["dag_run_url"], run["state"], run["execution_date"]) for run in runs] == [
        (RUN_URLS[generation], state, DATE)
    ]
    _, latest = await api.call("GET", "/latest_runs")
    assert [item["dag_run_url"] for item in latest["items"]] == [RUN_URLS[generation]]
    if generation > 1:
        assert (await api.trigger(run_id="r2", execution_date="2024-02-05", conf={"n": 0}))[0] == 400
        assert (await api.trigger(run_id="r 2", execution_date="2024-02-05"))[0] == 400
        assert (await api.trigger(run_id="r2", execution_date="2019-02-05"))[0] == 400


async def _check_tasks(api: Api, generation: int) -> None:
    path = f"/dags/d/dag_runs/{DATE.replace('+', '%2B')}/tasks"
    status, first = await api.call("GET", f"{path}/t")
    assert (status, first["state"], first["max_tries"]) == (200, "None", "2")
    by_id = "/dags/d/dag_runs/run_id=r1/tasks"
    assert await api.call("GET", f"{by_id}/t") == (200, first)
    assert await api.call("GET", f"{by_id}/t/waits_for") == await api.call("GET", f"{path}/t/waits_for")
    for task in ("t", "t/waits_for"):
        status, missing = await api.call("GET", f"/dags/d/dag_runs/run_id=r0/tasks/{task}")
        assert (status, missing["code"]) == (404, "run_not_found")
    assert (await api.call("GET", f"{path}/nothing"))[0] == 404
    assert (await api.call("GET", "/dags/d/tasks/t"))[1]["retries"] == "2"
    if generation > 1:
        assert (await api.call("GET", f"{path}/m?map_index=1"))[0] == 404
        assert (await api.call("GET", "/dags/d/tasks/m"))[1]["retries"] == "1"


@pytest.mark.parametrize("release", ["2.10.5", "3.3.2"])
async def test_compressed_dags_are_read(empty_database: str, release: str, role: str) -> None:
    """With [core] compress_serialized_dags the JSON is in the other column."""
    dsn = await prepare(empty_database, release, role, compressed=True)
    async with live_server(dsn) as url, aiohttp.ClientSession() as session:
        assert (await Api(url, session).call("GET", "/dags/d/tasks/t"))[0] == 200


@pytest.mark.parametrize("release", ["2.10.5", "3.3.2"])
async def test_a_running_task_forbids_deleting(empty_database: str, release: str, role: str) -> None:
    """409 names the task, and nothing is gone."""
    dsn = await prepare(empty_database, release, role)
    async with live_server(dsn) as url, aiohttp.ClientSession() as session:
        api = Api(url, session)
        await api.trigger(run_id="r1", execution_date=DATE)
        conn = await asyncpg.connect(empty_database)
        more = ", id, dag_version_id" if generation_of(release) == 3 else ""
        values = ", gen_random_uuid(), (SELECT max(id::text)::uuid FROM dag_version)" if more else ""
        await conn.execute(
            f"INSERT INTO task_instance (dag_id, task_id, run_id, state, pool, pool_slots, try_number{more})"
            f" VALUES ('d', 't', 'r1', 'running', 'default_pool', 1, 1{values})"
        )
        before = await conn.fetchval("SELECT count(*) FROM dag_tag")
        status, answer = await api.call("DELETE", "/dags/d")
        assert (status, answer["error"]) == (409, "Dag id d cannot be deleted while a task of it is running: t")
        assert await conn.fetchval("SELECT count(*) FROM dag_tag") == before
        await conn.execute("UPDATE task_instance SET state = 'success'")
        assert (await api.call("DELETE", "/dags/d"))[0] == 200
        await conn.close()


async def test_a_run_without_a_date_is_found_by_its_id(empty_database: str, role: str) -> None:
    """In 3.x: `execution_date` null, last in lists, and in latest_runs where the DAG has no other."""
    dsn = await prepare(empty_database, "3.3.2", role)
    conn = await asyncpg.connect(empty_database)
    await conn.execute(
        "INSERT INTO dag_run (dag_id, run_id, run_type, run_after, state)"
        " VALUES ('d', 'none', 'manual', now(), 'queued')"
    )
    await conn.close()
    async with live_server(dsn) as url, aiohttp.ClientSession() as session:
        api = Api(url, session)
        _, latest = await api.call("GET", "/latest_runs")
        assert [(item["execution_date"], item["dag_run_url"]) for item in latest["items"]] == [
            (None, "/dags/d/runs/none")
        ]
        await api.trigger(run_id="r1", execution_date=DATE)
        _, runs = await api.call("GET", "/dags/d/dag_runs")
        assert [run["run_id"] for run in runs] == ["r1", "none"]
        _, found = await api.call("GET", "/dags/d/dag_runs?run_id=none")
        assert [run["execution_date"] for run in found] == [None]
        assert await api.call("GET", "/dags/d/dag_runs/run_id=none") == (200, {"state": "queued"})
        _, instance = await api.call("GET", "/dags/d/dag_runs/run_id=none/tasks/t")
        assert (instance["execution_date"], instance["state"]) == ("None", "None")
        assert (await api.call("GET", "/dags/d/dag_runs/run_id=none/tasks/t/waits_for"))[0] == 200
        _, latest = await api.call("GET", "/latest_runs")
        assert [item["execution_date"] for item in latest["items"]] == [DATE]


async def test_a_dag_without_a_serialized_row_is_not_triggered(empty_database: str, role: str) -> None:
    """In 2.x and 3.x the scheduler would call such a run a success without a task."""
    dsn = await prepare(empty_database, "2.10.5", role)
    conn = await asyncpg.connect(empty_database)
    await conn.execute("DELETE FROM serialized_dag")
    await conn.close()
    async with live_server(dsn) as url, aiohttp.ClientSession() as session:
        assert await Api(url, session).trigger() == (
            404,
            {"code": "dag_not_found", "error": "Dag id d not found"},
        )


@pytest.mark.parametrize("release", ["2.7.3", "3.3.2"])
async def test_a_run_of_an_inactive_dag_comes_with_a_warning(empty_database: str, release: str, role: str) -> None:
    """Airflow keeps it queued until it finds the DAG's file again."""
    dsn = await prepare(empty_database, release, role)
    conn = await asyncpg.connect(empty_database)
    await conn.execute(f"UPDATE dag SET {'is_active = false' if generation_of(release) == 2 else 'is_stale = true'}")
    await conn.close()
    async with live_server(dsn) as url, aiohttp.ClientSession() as session:
        api = Api(url, session)
        status, answer = await api.trigger()
        assert (status, set(answer)) == (200, {"execution_date", "message", "run_id"})
        assert (api.warning or "").partition(":")[0] == "The DAG is not active"


@pytest.mark.parametrize("release", ["1.10.15", "2.10.5", "3.3.2"])
async def test_absolute_urls_begin_with_the_base_url(empty_database: str, release: str, role: str) -> None:
    """`[windsock] absolute_urls` puts `base_url` before the path; without it the path of `base_url` stays."""
    dsn = await prepare(empty_database, release, role)
    base = {"base_url": "https://airflow.example/x"}
    path = "/x" + RUN_URLS[generation_of(release)]
    for options, expected in ((base, path), ({"absolute_urls": "True", **base}, "https://airflow.example" + path)):
        async with live_server(dsn, **options) as url, aiohttp.ClientSession() as session:
            api = Api(url, session)
            await api.trigger(run_id="r1", execution_date=DATE)
            _, runs = await api.call("GET", "/dags/d/dag_runs")
            _, latest = await api.call("GET", "/latest_runs")
            assert [runs[0]["dag_run_url"], latest["items"][0]["dag_run_url"]] == [expected] * 2


@pytest.fixture
def pgbouncer(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[Path]:
    """Run PgBouncer in transaction mode, with two connections, on a socket in the folder that is yielded."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        pytest.skip("needs the package pgbouncer")
    query = parse_qs(urlsplit(postgres.dsn).query)
    # Neither program runs as root: the one must get at the other's socket.
    Path(query["host"][0]).chmod(0o755)
    users = tmp_path / "users.txt"
    users.write_text('"ws_least" ""\n')
    ini = tmp_path / "pgbouncer.ini"
    ini.write_text(
        f"[databases]\n* = host={query['host'][0]} port={query['port'][0]}\n[pgbouncer]\npool_mode = transaction\n"
        f"auth_type = trust\nauth_file = {users}\nunix_socket_dir = {tmp_path}\nlisten_port = 6432\n"
        f"default_pool_size = 2\nserver_idle_timeout = 1\n"
    )
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents:
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):  # noqa: S108 - where pytest's folders are
            folder.chmod(folder.stat().st_mode | 0o755)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([program, "-u", "nobody", str(ini)], stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while not (tmp_path / ".s.PGSQL.6432").exists() and time.monotonic() < deadline:
            assert process.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.05)
        yield tmp_path
        process.kill()
        process.wait()


@pytest.mark.parametrize("release", ["1.10.15", "2.10.5", "3.3.2"])
async def test_through_pgbouncer_in_transaction_mode(
    empty_database: str, release: str, role: str, pgbouncer: Path
) -> None:
    """With [windsock] pgbouncer many callers at a time get their own answers over two server connections."""
    await prepare(empty_database, release, role)
    name = urlsplit(empty_database).path
    dsn = f"postgresql://{role}@{name}?host={pgbouncer}&port=6432"
    async with live_server(dsn, pgbouncer="True") as url, aiohttp.ClientSession() as session:
        api = Api(url, session)
        dates = [f"2024-01-01T00:00:{n:02}+00:00" for n in range(60)]
        calls = [api.trigger(run_id=f"r{n}", execution_date=date) for n, date in enumerate(dates)]
        calls += [api.call("GET", "/dags/d/tasks/t") for _ in dates] + [api.call("GET", "/pools") for _ in dates]
        answers = await asyncio.gather(*calls)
        assert {status for status, _ in answers} == {200}
        assert [answer["run_id"] for _, answer in answers[:60]] == [f"r{n}" for n in range(60)]
        _, runs = await api.call("GET", "/dags/d/dag_runs")
        assert len(runs) == 60
        assert (await api.call("DELETE", "/dags/d"))[1]["count"] == (69 if generation_of(release) == 3 else 64)
