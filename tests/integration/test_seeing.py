"""What an operator and a caller see of what does not go on: a dead scheduler, broken DAG files, tasks that wait."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.auth import permissions
from server.auth.permissions import Permission, RoleGrant
from server.database import scheduler_health
from server.logs import setup_logs
from server.standalone.dags.loader import DagLoader
from server.wire.dag_patterns import dag_pattern
from tests import limited
from tests.live import config_for, live_server
from tests.scheduling import START, Bench, bash, bench

API = "/api/experimental"
BROKEN = "a:\n  tasks:\n    t: {operator: airflow.operators.bash.BashOperator, bash_command: x, retries: many}\n"
ALIVE = "INSERT INTO job (job_type, state, latest_heartbeat) VALUES ('SchedulerJob', 'running', $1::timestamptz)"


class Api:
    """Asks one server."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url = session, url
        self.warning = ""

    async def ask(self, path: str, method: str = "GET", body: object = None) -> tuple[int, Any]:
        """Status and JSON; `warning` is then that of the answer."""
        async with self.session.request(method, f"{self.url}{API}{path}", json=body) as answer:
            self.warning = answer.headers.get("X-Windsock-Warning", "")
            return answer.status, await answer.json(content_type=None)

    async def waits_for(self, dag_id: str, task_id: str = "t", day: int = 1) -> str:
        """What a task of the run on that day of January waits for."""
        path = f"/dags/{dag_id}/dag_runs/2024-01-{day:02}/tasks/{task_id}/waits_for"
        status, answer = await self.ask(path)
        assert status == 200, answer
        return "; ".join(answer["waits_for"])


@pytest.fixture
async def b(database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(database, tmp_path) as made:
        yield made


@pytest.fixture
async def api(b: Bench) -> AsyncIterator[Api]:
    async with (
        live_server(b.dsn, base_log_folder=b.log_folder, dag_concurrency="2") as url,
        aiohttp.ClientSession() as session,
    ):
        yield Api(session, url)


async def test_a_trigger_warns_where_no_scheduler_is_alive(b: Bench, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there never was one, and where the last one gave its last sign a while ago; not of one that lives."""
    monkeypatch.setattr(scheduler_health, "KNOWN_SECONDS", 0)
    await b.load({"d": {"tasks": {"t": bash("true")}}})
    async with live_server(b.dsn) as url:
        api = Api(api.session, url)
        assert (await api.ask("/dags/d/dag_runs", "POST", {}))[0] == 200
        assert "No scheduler of this database is alive (there never was one)" in api.warning
        await b.pool.execute(ALIVE, START)
        await api.ask("/dags/d/dag_runs", "POST", {"execution_date": "2024-01-02"})
        assert "(the last sign of one was at 2024-01-01 00:00:00 UTC)" in api.warning
        await b.pool.execute("UPDATE job SET latest_heartbeat = now()")
        await api.ask("/dags/d/dag_runs", "POST", {"execution_date": "2024-01-03"})
        assert api.warning == ""


async def test_a_heartbeat_that_cannot_be_read_costs_no_run(b: Bench, api: Api) -> None:
    """A trigger whose run is stored is answered, soon, whatever is the matter with `job`."""
    await b.load({"d": {"tasks": {"t": bash("true")}}})
    async with b.pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE job")
        async with asyncio.timeout(10):
            assert (await api.ask("/dags/d/dag_runs", "POST", {}))[0] == 200
    assert api.warning == ""


async def test_import_errors(b: Bench, api: Api) -> None:
    """A broken file is listed, a trigger of its DAG warns, the 404 of a DAG in it that never loaded names it."""
    file = b.dags_folder / "mine.yaml"
    file.write_text(BROKEN.replace("many", "1"))
    async with DagLoader(b.pool, b.dags_folder, paused_at_creation=False, settle=0) as loader:
        await loader.load_once()
        await b.pool.execute(ALIVE.replace("$1", "now()"))
        assert await api.ask("/import_errors") == (200, [])
        await api.ask("/dags/a/dag_runs", "POST", {})
        assert api.warning == ""
        file.write_text(BROKEN + "b:\n  tasks: 5\nc:\n  tasks:\n    t: {operator: a.B}\n")
        await loader.load_once()
        (b.dags_folder / "worse.yaml").write_text("d:\n  tasks: [\n")
        await loader.load_once()
    _, (mine, worse) = await api.ask("/import_errors")
    assert (mine["filename"], worse["filename"]) == (str(file), str(b.dags_folder / "worse.yaml"))
    assert f"{file}:3: DAG 'a': `retries`" in mine["stacktrace"]
    assert f"{file}:5: DAG 'b': `tasks` must be a list of tasks, each with a `task_id`" in mine["stacktrace"]
    _, page = await api.ask("/import_errors?limit=1&order_by=-filename")
    assert [one["filename"] for one in page] == [worse["filename"]]
    await api.ask("/dags/a/dag_runs", "POST", {"execution_date": "2024-01-01"})
    assert "The DAG's file has import errors" in api.warning
    for dag_id, where in (
        ("b", f"{file}:5: "),
        ("c", f"{file}:3: DAG 'a': `retries`"),
        ("d", "worse.yaml:"),
    ):
        for path in (f"/dags/{dag_id}/dag_runs", f"/dags/{dag_id}/tasks", f"/dags/{dag_id}/paused"):
            status, answer = await api.ask(path, "POST" if path.endswith("runs") else "GET", {})
            assert status == 404
            assert answer["error"].startswith(f"Dag id {dag_id} not found in DagModel: its file cannot be loaded: ")
            assert where in answer["error"]
        status, answer = await api.ask(f"/dags/{dag_id}", "DELETE")
        assert (status, where in answer["error"]) == (404, True)
    assert await api.ask("/dags/other/tasks") == (
        404,
        {"code": "dag_not_found", "error": "Dag id other not found in DagModel"},
    )


async def test_hostile_import_errors(b: Bench, api: Api) -> None:
    """Rows of others: however long, whatever they hold, the list and the 404 stay small and quick."""
    await b.pool.execute(
        "INSERT INTO import_error (filename, stacktrace) SELECT '/x' || n || '.py', repeat('x', 100000)"
        " FROM generate_series(1, 300) AS n UNION ALL SELECT NULL, NULL UNION ALL SELECT '/e.py', E'\\n\\n \\u202e'"
    )
    status, found = await api.ask("/import_errors?limit=3")
    assert (status, len(found)) == (200, 3)
    assert all(len(one["stacktrace"] or "") <= 20000 for one in found)
    status, answer = await api.ask("/dags/x7/tasks")
    assert status == 404
    assert len(answer["error"]) < 600


async def test_reasons_tell_nothing_that_may_not_be_read(b: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many slots and tasks there are in all is for those who may read all; a log's error is for readers of logs."""
    logs = {Permission("can_read", "DAGs"), Permission("can_read", "Task Logs")}
    monkeypatch.setitem(permissions.ROLES, "logs", frozenset(logs))
    some = {"one": [RoleGrant("Viewer", dag_pattern(["d"]))], "logs": [RoleGrant("logs")]}
    monkeypatch.setattr(limited, "CARRIED", some)
    await b.pool.execute(ALIVE, datetime.now(UTC))
    await b.load({"d": {"tasks": {"t": bash("true")}}})
    await b.trigger("d")
    await b.pool.execute("UPDATE slot_pool SET slots = 2")
    await b.pool.execute(
        "INSERT INTO task_instance (dag_id, task_id, execution_date, state, pool, pool_slots)"
        " SELECT dag_id, task_id, timestamptz '2024-01-01', state, 'default_pool', 1"
        " FROM (VALUES ('d', 't', 'scheduled'), ('e', 't', 'running'), ('e', 'u', 'running'))"
        " AS one (dag_id, task_id, state)"
    )
    options = {"auth_backend": limited.NAME, "base_log_folder": b.log_folder, "parallelism": "2"}
    said = {}
    async with live_server(b.dsn, **options) as url:
        for user in ("admin", "one", "logs"):
            async with aiohttp.ClientSession(headers={limited.HEADER: user}) as session:
                api = Api(session, url)
                _, answer = await api.ask("/dags/d/dag_runs/2024-01-01/tasks/t/logs")
                said[user] = answer["error"].partition("; the task waits: ")[2]
                status, _ = await api.ask("/dags/d/dag_runs/2024-01-01/tasks/t/waits_for")
                assert status == (403 if user == "logs" else 200)
                if status == 200:
                    assert await api.waits_for("d") == said[user]
    assert said["admin"].startswith("its pool default_pool is full: 2 of 2 slots are taken; there are 2 running tasks")
    assert said["one"] == "its pool default_pool has no room for it; as many tasks are running as parallelism allows"
    assert said["logs"] == ""


async def test_what_a_task_waits_for(b: Bench, api: Api) -> None:
    """The DAG's pause, a pool that is missing, too small or full, the future, limits, the past, tasks above."""
    await b.pool.execute(ALIVE.replace("$1", "(now() + interval '1 hour')"))
    await b.load({
        "paused": {"tasks": {"t": bash("true", pool="none")}},
        "pool": {"tasks": {"t": bash("true", pool="small", pool_slots=3)}},
        "past": {"tasks": {"t": bash("true", depends_on_past=True), "u": bash("true", "t")}, "max_active_runs": 1},
    })  # fmt: skip
    await b.pool.execute("INSERT INTO slot_pool (pool, slots) VALUES ('small', 2)")
    await b.pool.execute("UPDATE dag SET is_paused = true WHERE dag_id = 'paused'")
    for dag_id in ("paused", "pool", "past"):
        await b.trigger(dag_id)
    assert await api.waits_for("paused") == "its DAG is paused; its pool none does not exist"
    assert await api.waits_for("pool") == "it takes 3 slots of its pool small, which has 2"
    await b.pool.execute("UPDATE dag_run SET execution_date = '2124-01-01' WHERE dag_id = 'paused'")
    _, answer = await api.ask("/dags/paused/dag_runs/2124-01-01/tasks/t/waits_for")
    assert "its run starts at 2124-01-01 00:00:00 UTC, in the future" in answer["waits_for"]
    insert = (
        "INSERT INTO task_instance (dag_id, task_id, execution_date, state, pool, pool_slots)"
        " VALUES ($1, $2, '2024-01-01', $3, $4, 1)"
    )
    await b.pool.execute(insert, "past", "t", "running", "default_pool")
    await b.pool.execute(insert, "past", "u", None, "default_pool")
    await b.trigger("past", 1)
    assert await api.waits_for("past", "t") == ""
    assert await api.waits_for("past", "u") == "not yet done before it: t"
    assert await api.waits_for("past", "t", 2) == (
        "its DAG has 1 run under way, and max_active_runs is 1;"
        " it depends on the past, and in the run before, of 2024-01-01 00:00:00 UTC, it is running"
    )
    await b.pool.execute("UPDATE slot_pool SET slots = 3")
    await b.pool.execute(insert, "pool", "t", "scheduled", "small")
    await b.pool.execute("UPDATE task_instance SET pool_slots = 3 WHERE dag_id = 'pool'")
    assert await api.waits_for("pool") == ""
    await b.pool.execute(insert, "pool", "v", "running", "small")
    await b.pool.execute(insert, "pool", "w", "queued", "small")
    assert await api.waits_for("pool") == (
        "its pool small is full: 2 of 3 slots are taken; its DAG has 2 running tasks, and its limit (concurrency,"
        " max_active_tasks) is 2"
    )
    status, answer = await api.ask("/dags/pool/dag_runs/2024-01-01/tasks/t/logs")
    assert status == 404
    assert "; the task waits: its pool small is full" in answer["error"]
    await b.pool.execute("UPDATE job SET latest_heartbeat = now() - interval '1 hour'")
    assert (await api.waits_for("pool")).startswith("no scheduler is alive; ")
    await b.pool.execute("UPDATE dag_run SET state = 'failed'")
    assert await api.waits_for("pool") == ""


async def test_a_scheduler_that_works_leaves_nothing_to_explain(b: Bench, api: Api) -> None:
    """Of tasks that are done nothing is said."""
    await b.load({"d": {"tasks": {"t": bash("true"), "u": bash("true", "t")}}})
    await b.trigger("d")
    async with b.scheduler():
        await b.until_done()
    assert await api.waits_for("d") == await api.waits_for("d", "u") == ""


@pytest.mark.parametrize("fast", ["True", "False"])
async def test_the_access_log(
    serve: Callable[..., Awaitable[str]], capsys: pytest.CaptureFixture[str], fast: str
) -> None:
    """Of a refused request it has path and error, and neither the query nor the conf; the health is left out."""
    setup_logs("INFO", "json")
    url = await serve(access_log="True", fast_path=fast)
    async with aiohttp.ClientSession() as session:
        for method, path, body in (
            ("GET", "/api/experimental/dags/nope/tasks?password=secret1", None),
            ("POST", "/api/experimental/dags/nope/dag_runs", '{"conf": {"secret2": NaN}}'),
            ("GET", "/health", None),
            ("GET", "/nowhere/secret", None),
        ):
            async with session.request(method, url + path, data=body) as answer:
                await answer.read()
    written = capsys.readouterr().err
    lines = [line for line in written.splitlines() if '"server.access"' in line]
    assert len(lines) == 3
    assert '"path":"/api/experimental/dags/nope/tasks"' in lines[0]
    assert '"error":"Dag id nope not found in DagModel"' in lines[0]
    assert '"path":"/nowhere/secret"' in lines[2]
    assert "secret1" not in written
    assert "secret2" not in written
    assert "/health" not in written


def test_options_of_the_log() -> None:
    """Who wants the probes in the log says so."""
    assert not config_for("postgresql://h/d").access_log_probes
    assert config_for("postgresql://h/d", access_log_probes="True").access_log_probes
