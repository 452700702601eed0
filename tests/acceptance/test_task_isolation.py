"""What a task sees of its service, from inside of a task: a scheduler of its own process, as users run it."""

import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.process import WINDSOCK
from tests.scheduling import Bench, bash, bench

SECRET = "d2luZHNvY2stc2VjcmV0LWtleS1mb3ItdGVzdHM"
PYTHON = "airflow.operators.python.PythonOperator"


@pytest.fixture
async def b(database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """Set up a bench."""
    async with bench(database, tmp_path) as made:
        yield made


@contextmanager
def _scheduler(b: Bench, *, fds: Sequence[int] = (), **env: str) -> Iterator["subprocess.Popen[bytes]"]:
    options = {
        "sql_alchemy_conn": b.dsn, "base_log_folder": str(b.log_folder), "dags_folder": str(b.dags_folder),
        "scheduler_heartbeat_sec": "0.5", "secret_key": SECRET,
    }  # fmt: skip
    given = {f"AIRFLOW__WINDSOCK__{name.upper()}": value for name, value in options.items()}
    # Root may look into everything unless it gives that up: then it is a user like any other.
    without_rights = ["setpriv", "--bounding-set=-all", "--"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [*without_rights, WINDSOCK, "scheduler"], env={**os.environ, **given, **env}, pass_fds=fds
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


async def test_what_a_task_has(b: Bench, tmp_path: Path) -> None:
    """Descriptors 0, 1 and 2; no credential of the service in its environment, or in what it may read of its parent."""
    (b.dags_folder / "code.py").write_text(
        "import os\ndef look():\n"
        "    for fd in os.listdir('/proc/self/fd'):\n"
        "        try: print('has', fd, os.readlink(f'/proc/self/fd/{fd}'))\n"
        "        except FileNotFoundError: pass\n"
        "    print(dict(os.environ))\n"
    )
    parent = "for pid in $PPID $(pgrep -f '[w]indsock scheduler'); do cat /proc/$pid/environ /proc/$pid/fd/*; done"
    await b.load({"d": {"tasks": {
        "bash": bash("for fd in /proc/$$/fd/*; do [ -L $fd ] && echo has ${fd##*/} $(readlink $fd); done; env"),
        "python": {"operator": PYTHON, "python_callable_file": "code.py", "python_callable_name": "look"},
        "parent": bash(f"{parent} 2>&1 | tr '\\0' '\\n'"),
    }}})  # fmt: skip
    await b.trigger("d")
    with (tmp_path / "inherited").open("w") as file:
        secrets = {
            "KRB5_KTNAME": "/secret.keytab",
            "PGPASSWORD": SECRET,
            "AIRFLOW__CORE__SECRET_KEY_CMD": f"echo {SECRET}",
        }
        with _scheduler(b, fds=[file.fileno()], AIRFLOW_CONN_X="http://for-tasks", **secrets):
            await b.until_done()
    assert set((await b.states("d")).values()) == {"success"}
    logs = {name: b.log("d", name) for name in ("bash", "python", "parent")}
    for name in ("bash", "python"):
        has = {line.split()[1] for line in logs[name].splitlines() if line.startswith("has")}
        assert has == {"0", "1", "2"}, logs[name]
        assert "http://for-tasks" in logs[name]
    assert "Permission denied" in logs["parent"]
    for name, log in logs.items():
        assert SECRET not in log, name
        assert b.dsn not in log, name
        assert "secret.keytab" not in log, name


async def test_what_is_left_in_the_background(b: Bench) -> None:
    """A task waits for what may write to its log, and for nothing else."""
    await b.load({"d": {"tasks": {
        "quiet": bash("nohup sleep 12 >/dev/null 2>&1 & "),
        "loud": bash("(sleep 2; echo late) & echo early"),
    }}})  # fmt: skip
    await b.trigger("d")
    with _scheduler(b):
        await b.until("SELECT count(*) = 2 FROM task_instance WHERE state = 'success'")
    query = "SELECT task_id, duration FROM task_instance"
    durations = dict(map(tuple, await b.pool.fetch(query)))
    assert durations["quiet"] < 6
    assert durations["loud"] >= 2
    assert "late" in b.log("d", "loud")


async def test_poisoned_results(b: Bench) -> None:
    """Whatever a function does to its result fails its own try, which says why; another DAG's tasks run."""
    (b.dags_folder / "code.py").write_text(
        """
import gc, json, os
def file_of_the_result():
    return next(o["result_file"] for o in gc.get_objects() if isinstance(o, dict) and "result_file" in o)
def leave(value):
    open(file_of_the_result(), "w").write(value if isinstance(value, str) else json.dumps(value))
    os._exit(0)
def key(): leave({"outcome": "success", "xcoms": {"k" * 513: 1}})
def nul(): leave({"outcome": "success", "xcoms": {"a\\0": 1}})
def surrogate(): leave({"outcome": "success", "xcoms": {"\\ud800": 1}})
def many(): leave({"outcome": "success", "xcoms": {str(n): 1 for n in range(20000)}})
def none(): leave({"rows": 3})
def deep(): leave("[" * 200000)
def digits(): leave('{"outcome": "success", "xcoms": {"k": ' + "9" * 5000 + "}}")
def link():
    os.symlink("/dev/zero", file_of_the_result()); os._exit(0)
def fifo():
    os.mkfifo(file_of_the_result()); os._exit(0)
def folder():
    os.mkdir(file_of_the_result()); os._exit(0)
def own_folder():
    json.dump({"outcome": "success", "xcoms": {"k" * 513: 1}}, open("result.json", "w")); os._exit(0)
def closes():
    os.close(0); return 1
def forks():
    import os
    if not os.fork(): return "of the child"
    os.wait(); return "of the parent"
"""
    )
    bad = ("key", "nul", "surrogate", "many", "none", "deep", "digits", "link", "fifo", "folder", "own_folder")
    good = ("closes", "forks")
    tasks = {
        name: {"operator": PYTHON, "python_callable_file": "code.py", "python_callable_name": name, "retries": 1}
        for name in (*bad, *good)
    }
    await b.load({"poison": {"tasks": tasks}, "other": {"tasks": {"t": bash("echo fine")}}})
    await b.trigger("poison")
    started = time.monotonic()
    with _scheduler(b):
        # The retry may follow at once, so the state between the two tries is not waited for.
        await b.until("SELECT EXISTS (SELECT FROM task_instance WHERE state = 'up_for_retry' OR try_number > 1)")
        await b.trigger("other")
        await b.until("SELECT state = 'success' FROM dag_run WHERE dag_id = 'other'")
        await b.until_done(90)
    assert time.monotonic() - started < 90
    assert await b.states("poison") == {**dict.fromkeys(bad, "failed"), **dict.fromkeys(good, "success")}
    for name in bad:
        assert "Failed: " in b.log("poison", name, 2), name
    kept = dict(map(tuple, await b.pool.fetch("SELECT task_id, value FROM xcom WHERE dag_id = 'poison'")))
    assert kept == {"closes": b"1", "forks": b'"of the parent"'}
