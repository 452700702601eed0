"""Commands for whoever writes DAG files and looks after the service: check, config check, reload, tables."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.cli import windsock
from tests.acceptance.process import WINDSOCK
from tests.acceptance.service import Service

GOOD = "good:\n  tasks:\n    t: {operator: airflow.operators.bash.BashOperator, bash_command: 'true'}\n"


async def test_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the loader would say: file, line and text of each problem, and the DAGs of files that are in order."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dags").mkdir()
    Path("dags/good.yaml").write_text(GOOD)
    Path("dags/bad.yaml").write_text("bad:\n  tasks:\n    t: {operator: x.Y, retries: many}\n")
    Path("dags/twice.yaml").write_text(GOOD)
    done = await windsock("check", "dags/good.yaml")
    assert (done.code, done.out, done.err) == (0, "dags/good.yaml: 1 DAG: good\n", "1 file, none with problems\n")
    done = await windsock("check", "dags")
    assert done.code == 1
    assert "dags/bad.yaml:3: DAG 'bad': `retries`: 'many' is not a whole number" in done.out
    assert f"dags/twice.yaml:1: DAG 'good' is already defined in {tmp_path}/dags/good.yaml" in done.out
    assert done.err == "3 files, 2 with problems\n"
    assert (await windsock("check", "nope.yaml")).code == 2


async def test_check_leaves_nothing_out(tmp_path: Path) -> None:
    """What the loader cannot use or see is a problem too; no file's name steers a terminal."""
    names = [b"\xff.yaml", b"\x1b[31mred.yaml", b"two\nlines.yaml"]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text(GOOD.replace("good", name[:3].hex()))
    done = await windsock("check", str(tmp_path))
    assert (done.code, done.err) == (1, "3 files, 1 with problems\n")
    assert "\\udcff.yaml: its path is too long for the database, or is not UTF-8\n" in done.out
    assert "\\x1b[31mred.yaml: 1 DAG" in done.out
    assert "two\\nlines.yaml: 1 DAG" in done.out
    (tmp_path / "linked.yaml").symlink_to("n" * 300)
    done = await windsock("check", str(tmp_path))
    assert (done.code, "not everything below it can be read" in done.out) == (1, True)
    done = await windsock("check", os.fsdecode(os.fsencode(tmp_path) + b"/\xff.yaml"))
    assert (done.code, done.err) == (1, "1 file, 1 with problems\n")


async def test_config_check(tmp_path: Path) -> None:
    """A file with which a service could not start is refused, with what would be right."""
    file = tmp_path / "my.cfg"
    file.write_text("[core]\nsql_alchemy_conn = postgresql://nowhere.invalid/db\n[windsock]\nworkrs = 2\n")
    done = await windsock("config", "check", str(file))
    assert (done.code, done.out) == (0, f"{file}: no problem found\n")
    assert "[windsock] workrs: there is no such option" in done.err
    for line, words in (
        ("workers = many", "[windsock] workers = many: expected a whole number"),
        ("auth_backend = no.such", "there is no module no"),
        ("host = 0.0.0.0", "without an auth_backend everyone could call the API"),
        ("ssl_cert = /nowhere/cert.pem", "/nowhere/cert.pem"),
    ):
        file.write_text(f"[core]\nsql_alchemy_conn = postgresql://nowhere.invalid/db\n[windsock]\n{line}\n")
        done = await windsock("config", "check", str(file))
        assert done.code == 1, line
        assert words in done.err


async def test_config_check_reads_the_permissions_file(tmp_path: Path) -> None:
    """It says what it has found, or each problem on a line of its own."""
    file, permissions = tmp_path / "my.cfg", tmp_path / "permissions.yaml"
    file.write_text(f"[windsock]\nauthorization = file\npermissions_file = {permissions}\n")
    permissions.write_text("roles: {deployer: [can_edit on DAGs]}\nusers: {ann: Admin, bob: deployer}\n")
    done = await windsock("config", "check", str(file))
    found = f"{permissions}: 1 role, 2 users, 0 principals, 0 realms, 0 tokens\n{file}: no problem found\n"
    assert (done.code, done.out) == (0, found)
    permissions.write_text("users:\n  ann: Amin\n  bob: 7\n")
    done = await windsock("config", "check", str(file))
    assert (done.code, done.err) == (1, "Error: 2 problems in the permissions file\n")
    assert done.out.splitlines()[0] == f"{permissions}:2: unknown role `Amin`, did you mean `Admin`?"
    assert done.out.splitlines()[1].startswith(f"{permissions}:3: expected a role")
    file.write_text(f"[windsock]\npermissions_file = {permissions}\n")
    done = await windsock("config", "check", str(file))
    assert "this file has no effect without [windsock] authorization = file" in done.err


@pytest.fixture
def service(database: str, tmp_path: Path) -> Iterator[Service]:
    folder = tmp_path / "run"
    folder.mkdir()
    with Service(database, tmp_path, env={"RUNTIME_DIRECTORY": str(folder)}) as one:
        yield one


def reload(service: Service, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run what the unit has as ExecReload."""
    env = {**os.environ, "RUNTIME_DIRECTORY": str(folder / "run")}
    command = [WINDSOCK, "reload", str(service.process.pid)]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=90)


def test_reload_fails_where_it_is_refused(service: Service, tmp_path: Path) -> None:
    """The command waits for what becomes of it; a service that is gone is an error too."""
    assert reload(service, tmp_path).returncode == 0
    service.configure(workers="many")
    done = reload(service, tmp_path)
    assert done.returncode == 1
    assert "reload refused, the old configuration stays: " in done.stderr
    assert "workers = many" in done.stderr
    service.configure(sql_alchemy_conn="postgresql://127.0.0.1:1/nowhere")
    done = reload(service, tmp_path)
    assert done.returncode == 1
    assert "cannot connect to postgresql://127.0.0.1:1/nowhere" in done.stderr
    service.configure()
    assert reload(service, tmp_path).returncode == 0
    service.process.send_signal(signal.SIGTERM)
    service.process.wait(30)
    assert "there is no webserver" in reload(service, tmp_path).stderr


async def test_without_a_database(tmp_path: Path) -> None:
    """`initdb`, `standalone` and the others name the URL, without its password, and exit with 5."""
    url = "postgresql://ann:secret@127.0.0.1:1/nowhere"
    env = {"AIRFLOW__WINDSOCK__SQL_ALCHEMY_CONN": url, "AIRFLOW__WINDSOCK__PORT": "0"}
    for command in (
        ["initdb"],
        ["standalone", "--data-dir", str(tmp_path)],
        ["scheduler"],
        ["webserver"],
        ["list_dags"],
        ["db", "backup", str(tmp_path / "file")],
        ["db", "restore", __file__],
    ):
        done = await windsock(*command, **env)
        assert done.code == 5, (command, done)
        assert "cannot connect to postgresql://ann:***@127.0.0.1:1/nowhere" in done.err
        assert "secret" not in done.err


async def test_commands_find_the_standalone_that_runs_here(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the file that it writes; not by one that others may write, and not where another place is named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AIRFLOW_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    file = tmp_path / ".windsock" / "commands.cfg"
    file.parent.mkdir()
    file.write_text(f"[core]\nsql_alchemy_conn = {database}\nbase_log_folder = /nowhere\n")
    done = await windsock("list_dags")
    assert (done.code, done.out.split()[0]) == (0, "dag_id")
    assert (await windsock("list_dags", AIRFLOW_HOME=str(tmp_path))).code == 1
    for text in (f"sql_alchemy_conn_cmd = echo {database}", "sql_alchemy_conn = postgresql://windsock@/$HOME"):
        file.write_text(f"[core]\n{text}\n")
        done = await windsock("list_dags")
        assert (done.code, "no database is configured" in done.err) == (1, True)
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    theirs.chmod(0o777)
    for host in ("evil.example", str(tmp_path / "gone"), str(theirs)):
        file.write_text(f"[core]\nsql_alchemy_conn = postgresql://windsock@/d?host={host}\n")
        done = await windsock("list_dags")
        assert (done.code, "no database is configured" in done.err) == (1, True), host
    file.write_text(f"[core]\nsql_alchemy_conn = {database}\n")
    file.chmod(0o666)
    assert (await windsock("list_dags")).code == 1
