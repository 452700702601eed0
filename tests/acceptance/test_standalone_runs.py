"""A newcomer's first minute: trigger, watch it succeed, read the echoed conf."""

import os
import signal
import subprocess
import urllib.request
from pathlib import Path

from tests.acceptance.process import WINDSOCK, Standalone, wait_until

RUNS = "dags/example_bash_operator/dag_runs"


def scheduler_of(windsock: Standalone) -> int | None:
    """Return the process id of the scheduler that the server has started."""
    for entry in Path("/proc").iterdir():
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            command = (entry / "cmdline").read_bytes()
        except (OSError, ValueError, IndexError):
            continue
        if parent == windsock.process.pid and b"server.standalone.scheduler.child_process" in command:
            return int(entry.name)
    return None


def test_other_commands_find_database_and_logs(tmp_path: Path) -> None:
    """With the file that it writes, wherever they are started; a percent sign in a folder's name is only that."""
    data_dir = tmp_path / "my%20data"
    with Standalone(data_dir) as windsock:
        date = windsock.paste()["execution_date"]
        wait_until(lambda: windsock.get(f"{RUNS}/{date}")["state"] == "success")

        def command(*arguments: str) -> str:
            env = {**os.environ, "AIRFLOW_CONFIG": str(data_dir / "commands.cfg")}
            return subprocess.run([WINDSOCK, *arguments], capture_output=True, text=True, check=True, env=env).stdout

        assert "example_bash_operator" in command("list_dags")
        assert '\nconf is {"key": "value"}\n' in command("task_log", "example_bash_operator", "echo_conf", date)
        assert command("db", "clean", "--before", "2100-01-01").startswith("deleted 1 run, 2 task logs, ")
        assert not list((data_dir / "logs").glob("*/*/*"))


def test_what_is_triggered_runs(tmp_path: Path) -> None:
    """The pasted line's run succeeds, its conf is in the log; after kill -9 of the scheduler the next one does too."""
    with Standalone(tmp_path / "data") as windsock:
        date = windsock.paste()["execution_date"]
        wait_until(lambda: windsock.get(f"{RUNS}/{date}")["state"] == "success")
        log = f"{windsock.url}/api/experimental/{RUNS}/{date}/tasks/echo_conf/logs"
        with urllib.request.urlopen(log, timeout=30) as answer:  # noqa: S310 - a URL of the test
            assert '\nconf is {"key": "value"}\n' in answer.read().decode()
        assert (tmp_path / "data" / "logs" / "example_bash_operator" / "echo_conf" / date / "1.log").exists()
        first = scheduler_of(windsock)
        assert first is not None
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: scheduler_of(windsock) not in {None, first})
        # Two runs within a second would have the same date.
        wait_until(lambda: windsock.paste().get("execution_date", date) != date)
        wait_until(lambda: {run["state"] for run in windsock.get(RUNS)} == {"success"})


def test_with_passwords_it_says_how_to_create_a_user(tmp_path: Path) -> None:
    """The line to copy has a user; what creates one is above it, and works as it is printed."""
    with Standalone(tmp_path / "data", env={"AIRFLOW__WINDSOCK__AUTH_BACKEND": "password_auth"}) as windsock:
        (create,) = [line for line in windsock.text.splitlines() if "create_user" in line]
        path = f"{Path(WINDSOCK).parent}:{os.environ['PATH']}"
        shell = ["sh", "-c", create.replace("NAME", "ann")]
        subprocess.run(shell, input="a long password\n", text=True, check=True, env={**os.environ, "PATH": path})
        windsock.curl = windsock.curl.replace("-u NAME", "-u 'ann:a long password'")
        assert windsock.paste()["run_id"]
