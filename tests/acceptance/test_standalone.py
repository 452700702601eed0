import os
import signal
import subprocess
import time
import urllib.error
from pathlib import Path

import asyncpg
import pytest

from server.standalone.postgres import EmbeddedPostgres
from tests.acceptance.process import WINDSOCK, Standalone, is_running, wait_until
from tests.dag_files import BAD

RUNS = "dags/example_bash_operator/dag_runs"


def refusal(*options: str, env: dict[str, str] | None = None) -> str:
    """Start one that must refuse; its one line on stderr."""
    done = subprocess.run(
        [WINDSOCK, "standalone", *options],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **(env or {})},
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    assert done.stderr.endswith(lines[0] + "\n")
    return lines[0]


def test_the_printed_curl_line_triggers_a_run_that_can_be_read(tmp_path: Path) -> None:
    """A stranger pastes the line into a shell and reads the run back."""
    with Standalone(tmp_path / "data") as windsock:
        answer = windsock.paste()
        [run] = windsock.get(RUNS)
        assert run["run_id"] in answer["message"]
        assert windsock.get("dags/example_bash_operator/dag_runs/" + run["execution_date"])["state"] == run["state"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM end the server and its Postgres, quietly and with status 0."""
    with Standalone(tmp_path / "data") as windsock:
        postmaster = windsock.postmaster
        assert windsock.stop(number) == 0
        assert not is_running(postmaster)
        assert not (tmp_path / "data" / "postgres" / "postmaster.pid").exists()
        assert "Traceback" not in windsock.text


def test_ctrl_c_does_not_reach_postgres(tmp_path: Path) -> None:
    """A terminal sends it to a group of processes; the server's requests are finished before Postgres is stopped."""
    with Standalone(tmp_path / "data") as windsock:
        assert os.getpgid(windsock.postmaster) != os.getpgid(windsock.process.pid)


def test_ctrl_c_while_the_scheduler_starts_is_quiet(tmp_path: Path) -> None:
    """A terminal sends it to a group of processes, among them one that has not come to deal with it yet."""
    with Standalone(tmp_path / "data") as windsock:
        time.sleep(0.1)
        os.killpg(windsock.process.pid, signal.SIGINT)
        assert windsock.wait() == 0
        assert "Traceback" not in windsock.text


def test_ctrl_c_during_the_start_stops_everything(tmp_path: Path) -> None:
    """Before it serves it can be stopped as well."""
    windsock = Standalone(tmp_path / "data")
    pid_file = tmp_path / "data" / "postgres" / "postmaster.pid"
    wait_until(pid_file.exists)
    assert windsock.stop(signal.SIGINT) == 0
    assert not pid_file.exists()
    assert "Traceback" not in windsock.text


def test_data_survives_restarts(tmp_path: Path) -> None:
    """What was triggered before is there after."""
    with Standalone(tmp_path / "data") as windsock:
        windsock.paste()
        before = windsock.get(RUNS)
        windsock.stop(signal.SIGINT)
    with Standalone(tmp_path / "data") as windsock:
        after = windsock.get(RUNS)
    assert [run["run_id"] for run in after] == [run["run_id"] for run in before]


def test_a_second_one_beside_the_first(tmp_path: Path) -> None:
    """It says which option to change, and the first one does not notice."""
    data_dir = tmp_path / "data"
    with Standalone(data_dir) as windsock:
        postmaster, port = windsock.postmaster, windsock.url.rpartition(":")[2]
        assert "--port" in refusal("--port", port, "--data-dir", str(data_dir))
        assert "--data-dir" in refusal("--port", "0", "--data-dir", str(data_dir))
        assert windsock.postmaster == postmaster
        assert is_running(postmaster)
        assert windsock.get(RUNS) == []
        with Standalone(tmp_path / "other") as other:
            other.paste()
            assert windsock.get(RUNS) == []


def test_nothing_outlives_a_killed_one(tmp_path: Path) -> None:
    """After `kill -9` its Postgres ends too, and the next start has the data."""
    with Standalone(tmp_path / "data") as windsock:
        windsock.paste()
        postmaster = windsock.postmaster
        sockets = (tmp_path / "data" / "socket").readlink()
        assert sockets.is_dir()
        windsock.stop(signal.SIGKILL)
        wait_until(lambda: not is_running(postmaster))
    with Standalone(tmp_path / "data") as windsock:
        assert len(windsock.get(RUNS)) == 1
        assert not sockets.exists()


async def test_a_postgres_left_behind_is_replaced(tmp_path: Path) -> None:
    """Where the Postgres of a killed one goes on, the next start stops it first."""
    (tmp_path / "data").mkdir(mode=0o700)
    orphan = EmbeddedPostgres(tmp_path / "data")
    await orphan.start()
    left_behind = orphan.pid
    try:
        with Standalone(tmp_path / "data") as windsock:
            assert windsock.postmaster != left_behind
            assert windsock.paste()["message"]
    finally:
        await orphan.stop()


def test_a_killed_postgres_comes_back(tmp_path: Path) -> None:
    """After `kill -9` of Postgres the same server serves again, with what it had answered."""
    with Standalone(tmp_path / "data") as windsock:
        windsock.paste()
        postmaster = windsock.postmaster
        codes: set[int] = set()
        os.kill(postmaster, signal.SIGKILL)

        def serves() -> bool:
            try:
                return len(windsock.get(RUNS)) == 1
            except urllib.error.HTTPError as error:
                codes.add(error.code)
                return False

        wait_until(lambda: windsock.postmaster != postmaster)
        wait_until(serves)
        assert codes <= {503}


def test_changed_files_are_loaded_within_two_seconds(tmp_path: Path) -> None:
    """A file that appears is a DAG soon after."""
    dags = tmp_path / "dags"
    dags.mkdir()
    dag = "default_args: {owner: me, start_date: 2024-01-01}, tasks: [{task_id: one, operator: x.Y}]"
    (dags / "first.yaml").write_text(f"first: {{{dag}}}")
    with Standalone(tmp_path / "data", "--dags-folder", str(dags)) as windsock:
        assert "/dags/first/" in windsock.curl
        (dags / "second.yaml").write_text(f"second: {{{dag}}}")
        wait_until(lambda: "second" in {found["dag_id"] for found in windsock.get("dags")}, timeout=3)


@pytest.fixture
async def airflow(empty_database: str) -> str:
    """Make something like an Airflow's database, with a DAG and a run; its DSN."""
    conn = await asyncpg.connect(empty_database)
    await conn.execute(
        """
        CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('e959f08ac86c');
        CREATE TABLE dag (dag_id text, is_active bool, is_paused bool); INSERT INTO dag VALUES ('theirs', true, false);
        CREATE TABLE dag_run (id serial, dag_id text, state text); INSERT INTO dag_run (dag_id) VALUES ('theirs');
        """
    )
    await conn.close()
    return empty_database


async def contents(dsn: str) -> dict[str, list[str]]:
    """Every table with its rows, system columns that change with each write included."""
    conn = await asyncpg.connect(dsn)
    tables = await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    found = {
        name: [str(tuple(row)) for row in await conn.fetch(f"SELECT ctid, xmin, t.* FROM {name} t ORDER BY ctid")]
        for (name,) in tables
    }
    await conn.close()
    return found


async def test_the_airflow_of_the_machine_is_left_alone(tmp_path: Path, airflow: str) -> None:
    """An airflow.cfg names a database, folder, address and backend: standalone has its own, and works."""
    before = await contents(airflow)
    (tmp_path / "airflow.cfg").write_text(
        f"[core]\nsql_alchemy_conn = {airflow}\ndags_folder = {tmp_path}/none\ndags_are_paused_at_creation = True\n"
        "[webserver]\nweb_server_host = 0.0.0.0\n[api]\nauth_backend = airflow.api.auth.backend.deny_all\n"
    )
    env = {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__SQL_ALCHEMY_CONN": airflow}
    with Standalone(tmp_path / "data", env=env) as windsock:
        assert set(windsock.paste()) == {"execution_date", "message", "run_id"}
        dag_id = windsock.curl.partition("/dags/")[2].partition("/")[0]
        assert windsock.get(f"dags/{dag_id}/paused") == {"is_paused": False}
        assert windsock.url.startswith("http://127.0.0.1:")
        assert f"{tmp_path}/airflow.cfg" in windsock.text
    assert await contents(airflow) == before


async def test_an_airflows_database_is_refused(tmp_path: Path, airflow: str) -> None:
    """Even where `[windsock]` names it, nothing is written to it."""
    before = await contents(airflow)
    env = {"AIRFLOW__WINDSOCK__SQL_ALCHEMY_CONN": airflow}
    assert "belongs to an Airflow" in refusal("--port", "0", "--data-dir", str(tmp_path / "data"), env=env)
    assert await contents(airflow) == before
    assert not (tmp_path / "data").exists()


async def test_another_database_of_ones_own(tmp_path: Path, empty_database: str) -> None:
    """`[windsock] sql_alchemy_conn` puts the tables there, and no Postgres is started."""
    with Standalone(tmp_path / "data", env={"AIRFLOW__WINDSOCK__SQL_ALCHEMY_CONN": empty_database}) as windsock:
        windsock.paste()
    # A task of the run may have begun: its log is there.
    assert {path.name for path in (tmp_path / "data").glob("*")} <= {"logs"}
    assert len((await contents(empty_database))["dag_run"]) == 1


def test_an_open_api_on_another_address_is_refused(tmp_path: Path) -> None:
    """Without a chosen backend it is served on loopback alone; nothing is made before it refuses."""
    line = refusal("--host", "0.0.0.0", "--port", "0", "--data-dir", str(tmp_path / "data"))  # noqa: S104
    assert "auth_backend" in line
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("option", [("--port", "70000"), ("--nonsense",)])
def test_wrong_usage_is_status_2(option: tuple[str, ...]) -> None:
    """As every command line has it."""
    done = subprocess.run([WINDSOCK, "standalone", *option], capture_output=True, check=False, timeout=60)
    assert done.returncode == 2


def test_bad_files_at_the_start(tmp_path: Path) -> None:
    """They keep neither the service from starting nor the other files from loading; the same when it starts again.

    `windsock scheduler` beside it loads nothing while it does, and ends as it was told to.
    """
    folder = tmp_path / "dags"
    folder.mkdir()
    for name, raw in BAD.items():
        if len(raw) < 6000 or name == "sexagesimal":
            (folder / f"{name}.yaml").write_bytes(raw)
    (folder / "zero.yaml").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.yaml")
    (folder / "good.yaml").write_text("good: {tasks: {t: {operator: airflow.operators.empty.EmptyOperator}}}")
    for _ in range(2):
        with Standalone(tmp_path / "data", "--dags-folder", str(folder)) as windsock:
            run = windsock.paste()
            assert "good" in run["message"]
            env = {**os.environ, "AIRFLOW_CONFIG": str(tmp_path / "data" / "commands.cfg")}
            with subprocess.Popen([WINDSOCK, "scheduler"], stderr=subprocess.PIPE, text=True, env=env) as beside:
                assert beside.stderr is not None
                assert any("another process loads the DAG files" in line for line in beside.stderr)
                beside.send_signal(signal.SIGTERM)
                assert beside.wait(timeout=60) == 0, beside.stderr.read()
            assert windsock.stop(signal.SIGTERM) == 0
