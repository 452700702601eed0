"""The scheduler on a real database, with real processes."""

import asyncio
import dataclasses
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from yarl import URL

from tests.live import config_for
from tests.scheduling import START, Bench, bash, bench, empty

RUNNING = "SELECT EXISTS (SELECT FROM task_instance WHERE task_id = $1 AND state = 'running' AND pid IS NOT NULL)"


@pytest.fixture
async def b(database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """Set up a bench, and hold afterwards what its witness saw against the table of transitions."""
    async with bench(database, tmp_path) as made:
        yield made
        assert not await made.witnessed()


async def test_conf_reaches_a_command_through_its_environment(b: Bench) -> None:
    """A conf that looks like a command stays text; its log shows it; the last line is left for other tasks."""
    task = bash('echo "conf: $CONF"', env={"CONF": "{{ dag_run.conf['key'] }}"})
    pulled = {"PULLED": "{{ ti.xcom_pull(task_ids='a') | upper }}"}
    after = bash('echo "$PULLED" {{ ds }} {{ run_id }} {{ params.p }}', "a", env=pulled)
    await b.load({"d": {"tasks": {"a": task, "b": after}, "params": {"p": 5}}})
    await b.trigger("d", conf={"key": "; echo $HOME {{ 1 + 1 }}"})
    async with b.scheduler():
        await b.until_done()
    assert "\nconf: ; echo $HOME {{ 1 + 1 }}\n" in b.log("d", "a")
    assert "\nCONF: ; ECHO $HOME {{ 1 + 1 }} 2024-01-01 run_0 5\n" in b.log("d", "b")
    assert await b.run_state("d") == "success"
    assert b"conf: ;" in await b.pool.fetchval("SELECT value FROM xcom WHERE task_id = 'a' AND key = 'return_value'")


async def test_failures_skips_and_tries(b: Bench) -> None:
    """How commands end is how tasks end, with as many tries as there are."""
    tasks = {
        "fails": bash("exit 3"),
        "skips": bash("exit 99"),
        "skips_too": bash("exit 7", skip_on_exit_code=[7, 8]),
        "skips_never": bash("exit 99", skip_on_exit_code=[]),
        "second": bash('[ "{{ ti.try_number }}" = 2 ]', retries=1),
        "never": bash("false", retries=2),
        "killed": bash("kill -9 $$"),
        "slow": bash("sleep 60 & sleep 60", execution_timeout=0.2),
        "template": bash("{{ 1 / 0 }}"),
        "nul": bash("echo {{ '\\0' }}"),
        "unknown": {"operator": "some.module.OddOperator", "odd": 1},
        "below": bash("true", "skips"),
        "caught": bash("true", "fails", trigger_rule="one_failed"),
    }
    await b.load({"d": {"tasks": tasks}})
    await b.trigger("d")
    async with b.scheduler():
        await b.until_done()
    expected = {**dict.fromkeys(tasks, "failed"), **dict.fromkeys(("skips", "skips_too", "below"), "skipped")}
    assert await b.states("d") == {**expected, **dict.fromkeys(("second", "caught"), "success")}
    tries = "SELECT try_number FROM task_instance WHERE task_id = $1"
    assert await b.pool.fetchval(tries, "never") == 3
    assert await b.pool.fetchval("SELECT count(*) FROM task_fail WHERE task_id = 'never'") == 3
    for task_id, said in {
        "fails": "exit status 3", "killed": "signal 9 ended it", "slow": "execution_timeout", "nul": "NUL",
        "template": "ZeroDivisionError", "unknown": "OddOperator cannot be run here; Windsock's scheduler runs Bash",
    }.items():  # fmt: skip
        assert said in b.log("d", task_id), task_id


async def test_output(b: Bench) -> None:
    """All of it is in the log: of a task that opens /dev/stderr by its name, of what it leaves in the background."""
    code = """
def write():
    print("printed")
    open("/dev/stdout", "w").write("opened")
"""
    (b.dags_folder / "code.py").write_text(code)
    operator = "airflow.operators.python.PythonOperator"
    tasks = {
        "device": bash("echo first; echo warning > /dev/stderr; echo tee | tee /dev/stderr | wc -c; echo last"),
        "python": {"operator": operator, "python_callable_file": "code.py", "python_callable_name": "write"},
        "background": bash("(sleep 0.5; echo late) & echo early"),
        "endless": bash("(sleep 77; echo late) & echo early", execution_timeout=1),
        "daemon": bash("setsid sleep 77 >/dev/null 2>&1 & echo early"),
        "escaped": bash("setsid bash -c 'while sleep 0.1; do echo more; done' & echo early; exit 1"),
    }
    await b.load({"d": {"tasks": tasks}})
    await b.trigger("d")
    async with b.scheduler():
        await b.until_done(30)
    assert await b.states("d") == {**dict.fromkeys(tasks, "success"), "endless": "failed", "escaped": "failed"}
    assert "\nfirst\nwarning\ntee\n4\nlast\n" in b.log("d", "device")
    assert "\nprinted\nopened" in b.log("d", "python")
    values = dict(map(tuple, await b.pool.fetch("SELECT task_id, value FROM xcom")))
    assert values == {"device": b'"last"', "background": b'"late"', "daemon": b'"early"'}
    subprocess.run(["pkill", "-f", "^sleep 77$"], check=False)


async def test_python_tasks(b: Bench) -> None:
    """A function of a file beside the DAG: arguments, context, what it returns, pushes and raises."""
    code = """
class AirflowSkipException(Exception): ...
def add(a, b, *, ds, ti, **context):
    ti.xcom_push("more", [context["dag_run"].conf, ds])
    print("adding")
    return a + int(b)
def skip(): raise AirflowSkipException("not today")
def fail(): raise ValueError("broken")
def leave(): import os; os._exit(0)
def odd(): return object()
"""
    (b.dags_folder / "code.py").write_text(code)
    operator = "airflow.operators.python.PythonOperator"
    common: dict[str, Any] = {"operator": operator, "python_callable_file": "code.py"}
    tasks = {name: {**common, "python_callable_name": name} for name in ("skip", "fail", "leave", "odd")}
    tasks["add"] = {**common, "python_callable_name": "add", "op_args": [1], "op_kwargs": {"b": "{{ 1 + 1 }}"}}
    tasks["dotted"] = {"operator": operator, "python_callable": "os.path.basename", "op_args": ["a/b"]}
    await b.load({"d": {"tasks": tasks}})
    await b.trigger("d", conf={"c": 1})
    async with b.scheduler():
        await b.until_done()
    assert await b.states("d") == {
        "add": "success", "dotted": "success", "skip": "skipped", "fail": "failed", "leave": "failed", "odd": "failed",
    }  # fmt: skip
    rows = await b.pool.fetch("SELECT key, value FROM xcom WHERE task_id = 'add' ORDER BY key")
    assert [tuple(row) for row in rows] == [("more", b'[{"c": 1}, "2024-01-01"]'), ("return_value", b"3")]
    assert "adding\n" in b.log("d", "add")
    assert "ValueError: broken" in b.log("d", "fail")


async def test_what_a_python_task_knows(b: Bench) -> None:
    """All that templates know: dates that can reckon, the run, macros; what it says by `logging` is in its log."""
    code = """
import logging
def know(execution_date, next_execution_date, prev_ds, dag_run, ti, task, macros, templates_dict, params=0, **context):
    logging.getLogger("airflow.task").info("one %s", 1)
    logging.debug("not this")
    return [
        str(execution_date), str(next_execution_date.subtract(days=1)), prev_ds, dag_run.external_trigger,
        dag_run.run_id, dag_run.start_date > execution_date, ti.max_tries, ti.task.task_id, task.dag_id,
        macros.ds_add(context["ds"], 1), templates_dict["k"], params["p"], ti.xcom_pull(task_ids="a"),
        ti.xcom_pull("a", key="k", include_prior_dates=False),
    ]
def leave(ti): ti.xcom_push("k", ["left"]); return "value"
def plain(*ti, **named): return [len(ti), named["ds"]]
def bare(): import sys; return sorted({"pendulum", "server"} & sys.modules.keys())
"""
    (b.dags_folder / "code.py").write_text(code)
    common = {"operator": "airflow.operators.python.PythonOperator", "python_callable_file": "code.py"}
    tasks: dict[str, Any] = {name: {**common, "python_callable_name": name} for name in ("plain", "bare", "know")}
    tasks["a"] = {**common, "python_callable_name": "leave"}
    tasks["know"] |= {"templates_dict": {"k": "{{ run_id }}"}, "params": {"p": 5}, "dependencies": ["a"]}
    await b.load({"d": {"tasks": tasks}})
    await b.trigger("d")
    async with b.scheduler():
        await b.until_done()
    assert await b.states("d") == dict.fromkeys(tasks, "success"), b.log("d", "know")
    values = await b.pool.fetch("SELECT task_id, value FROM xcom WHERE key = 'return_value'")
    results = {row["task_id"]: json.loads(row["value"]) for row in values}
    assert results["know"] == [
        "2024-01-01T00:00:00+00:00", "2023-12-31T00:00:00+00:00", "2024-01-01", True, "run_0", True, 0, "know", "d",
        "2024-01-02", "run_0", 5, "value", ["left"],
    ]  # fmt: skip
    assert results["plain"] == [0, "2024-01-01"]
    assert results["bare"] == []
    log = b.log("d", "know")
    assert " {code.py:4} INFO - one 1\n" in log
    assert "not this" not in log


async def test_a_function_beside_other_files(b: Bench) -> None:
    """Files called as modules of Python's own stand in nobody's way; when its time is over, its `finally` runs."""
    for name in ("email", "uuid", "server"):
        (b.dags_folder / f"{name}.py").write_text("MINE = True")
    code = """
import time
def use(ds):
    import server, urllib.request, uuid
    return [server.MINE, hasattr(uuid, "uuid4"), ds]
def slow():
    try: time.sleep(30)
    finally: print("cleaned", flush=True)
"""
    (b.dags_folder / "code.py").write_text(code)
    common = {"operator": "airflow.operators.python.PythonOperator", "python_callable_file": "code.py"}
    tasks: dict[str, Any] = {name: {**common, "python_callable_name": name} for name in ("use", "slow")}
    tasks["slow"]["execution_timeout"] = 1
    await b.load({"d": {"tasks": tasks}})
    await b.trigger("d")
    async with b.scheduler():
        await b.until_done()
    assert await b.states("d") == {"use": "success", "slow": "failed"}
    assert json.loads(await b.pool.fetchval("SELECT value FROM xcom")) == [True, True, "2024-01-01"]
    assert "\ncleaned\n" in b.log("d", "slow")


async def test_what_is_left_by_a_task_that_does_not_succeed(b: Bench) -> None:
    """What it pushed before it failed or skipped itself is there for others; the next try begins without it."""
    code = """
class AirflowSkipException(Exception): ...
def push(ti, error):
    ti.xcom_push("k" if ti.try_number == 1 else "l", ti.try_number)
    raise {"skip": AirflowSkipException, "fail": ValueError}[error]()
"""
    (b.dags_folder / "code.py").write_text(code)
    common = {"operator": "airflow.operators.python.PythonOperator", "python_callable_file": "code.py"}
    push: dict[str, Any] = {**common, "python_callable_name": "push"}
    pull = "echo {{ ti.xcom_pull(['fails', 'skips'], key='k') }} {{ ti.xcom_pull('again', key='l') }}"
    (b.dags_folder / "pull.sh").write_text(pull)
    (b.dags_folder / "included.txt").write_text(pull)
    rules = {"trigger_rule": "all_done"}
    tasks = {
        "fails": {**push, "op_kwargs": {"error": "fail"}},
        "skips": {**push, "op_kwargs": {"error": "skip"}},
        "again": {**push, "op_kwargs": {"error": "fail"}, "retries": 1},
        "pulls": bash("pull.sh", "fails", "skips", "again", **rules),
        "includes": bash("{% include 'included.txt' %}", "fails", "skips", "again", **rules),
    }
    await b.load({"d": {"tasks": tasks}})
    await b.trigger("d")
    async with b.scheduler():
        await b.until_done()
    rows = await b.pool.fetch("SELECT task_id, key, value FROM xcom WHERE key <> 'return_value' ORDER BY task_id, key")
    assert [tuple(row) for row in rows] == [("again", "l", b"2"), ("fails", "k", b"1"), ("skips", "k", b"1")]
    for task_id in ("pulls", "includes"):
        assert "\n[1, 1] 2\n" in b.log("d", task_id)


async def test_the_limits_hold(b: Bench) -> None:
    """Of pools, DAGs and tasks, with two schedulers that race; higher priorities go first."""
    await b.pool.execute("INSERT INTO slot_pool (pool, slots) VALUES ('two', 2), ('one', 1)")
    heavy = {f"h{n}": bash("sleep 0.05", pool="two", pool_slots=2 - n % 2) for n in range(6)}
    ranked = {f"r{n}": bash("sleep 0.02", pool="one", priority_weight=n) for n in range(4)}
    await b.load({
        "pools": {"tasks": {**heavy, **ranked}, "max_active_runs": 1},
        "narrow": {"tasks": {f"t{n}": bash("sleep 0.05") for n in range(4)}, "concurrency": 2},
        "single": {"tasks": {"t": bash("sleep 0.05", task_concurrency=1)}},
    })  # fmt: skip
    for n in range(3):
        for dag_id in ("pools", "narrow", "single"):
            await b.trigger(dag_id, n)
    await b.pool.execute("""CREATE TABLE counts (dag_id text, tasks int, runs int);
        CREATE FUNCTION counting() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO counts
            SELECT dag_id, count(*), count(DISTINCT execution_date) FROM task_instance
            WHERE state IN ('queued', 'running') GROUP BY dag_id; RETURN NULL; END $$;
        CREATE TRIGGER counting AFTER UPDATE ON task_instance FOR EACH STATEMENT EXECUTE FUNCTION counting()""")
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(b.scheduler())
        await b.until_done()
    most = await b.pool.fetch("SELECT dag_id, max(tasks), max(runs) FROM counts GROUP BY dag_id")
    tasks, runs = ({row[0]: row[column] for row in most} for column in (1, 2))
    assert (tasks["narrow"], tasks["single"], runs["pools"]) == (2, 1, 1)
    order = (
        "SELECT task_id FROM witness WHERE task_id LIKE 'r_' AND execution_date = $1 AND new_state = 'queued'"
        " ORDER BY n"
    )
    assert [row[0] for row in await b.pool.fetch(order, START)] == ["r3", "r2", "r1", "r0"]
    assert await b.pool.fetchval("SELECT count(*) FROM task_instance WHERE state <> 'success'") == 0


async def test_paused_dags_start_nothing(b: Bench) -> None:
    """Neither runs nor tasks, until they are unpaused; then at once."""
    await b.load({"d": {"tasks": {"a": bash("sleep 0.3"), "b": bash("true", "a")}}, "other": {"tasks": {"o": empty()}}})
    await b.trigger("d")
    async with b.scheduler():
        await b.until(RUNNING, "a")
        await b.pool.execute("UPDATE dag SET is_paused = true WHERE dag_id = 'd'")
        await b.trigger("d", 1)
        await b.until("SELECT EXISTS (SELECT FROM task_instance WHERE task_id = 'a' AND state = 'success')")
        await asyncio.sleep(0.8)
        assert await b.states("d") == {"a": "success", "b": None}
        assert await b.states("d", 1) == {}
        await b.pool.execute("UPDATE dag SET is_paused = false WHERE dag_id = 'd'")
        await b.until_done()


async def test_each_run_waits_for_the_one_before(b: Bench) -> None:
    """depends_on_past: a task starts when that of the run before has succeeded."""
    await b.load({"d": {"tasks": {"a": bash("sleep 0.05", depends_on_past=True)}}})
    for n in (2, 0, 1):
        await b.trigger("d", n)
    async with b.scheduler():
        await b.until_done()
    dates = "SELECT execution_date FROM witness WHERE new_state = 'running' ORDER BY n"
    assert [(row[0] - START).days for row in await b.pool.fetch(dates)] == [0, 1, 2]


async def test_a_run_that_waits_for_a_task_of_the_one_before(b: Bench) -> None:
    """It goes on as soon as that task has ended, whatever else runs in the run before."""
    tasks = {"a": bash("sleep 0.3", depends_on_past=True), "slow": bash("sleep 6")}
    b.config = dataclasses.replace(b.config, scheduler_heartbeat_sec=60)
    await b.load({"d": {"tasks": tasks}})
    for n in range(2):
        await b.trigger("d", n)
    async with b.scheduler():
        done = "SELECT count(*) = 2 FROM task_instance WHERE task_id = 'a' AND state = 'success'"
        await b.until(done, patience=5)


async def test_no_limits(b: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """A parallelism of 0 is none, as in Airflow, and so are timeouts of 0; a pool that is too small is told of."""
    b.config = dataclasses.replace(b.config, parallelism=config_for(b.dsn, parallelism="0").parallelism)
    await b.pool.execute("INSERT INTO slot_pool (pool, slots) VALUES ('small', 1)")
    tasks = {"t": bash("sleep 0.2"), "large": bash("true", pool="small", pool_slots=2)}
    await b.load({"d": {"tasks": tasks, "dagrun_timeout": 0}})
    await b.trigger("d")
    async with b.scheduler():
        await b.until("SELECT state = 'success' FROM task_instance WHERE task_id = 't'")
        assert await b.states("d") == {"t": "success", "large": "scheduled"}
        await b.pool.execute("UPDATE slot_pool SET slots = 2 WHERE pool = 'small'")
        await b.until_done()
    assert "fewer slots than they take pool=small" in " ".join(capsys.readouterr().out.split())


async def test_a_run_that_the_database_refuses(b: Bench) -> None:
    """It fails, and the others go on."""
    await b.load({"odd": {"tasks": {"t": bash("true")}}, "good": {"tasks": {"t": bash("true")}}})
    await b.pool.execute(
        "UPDATE serialized_dag SET data = replace(data::text, '\"BashOperator\"', $1)::json WHERE dag_id = 'odd'",
        f'"{"Y" * 1200}Operator"',
    )
    for dag_id in ("odd", "good"):
        await b.trigger(dag_id)
    async with b.scheduler():
        await b.until_done(10)
    assert (await b.run_state("odd"), await b.run_state("good")) == ("failed", "success")


async def test_a_run_that_takes_too_long(b: Bench) -> None:
    """dagrun_timeout ends the run and its tasks' processes."""
    await b.load({"d": {"tasks": {"a": bash("sleep 77.125"), "b": empty("a")}, "dagrun_timeout": 1}})
    await b.trigger("d")
    async with b.scheduler():
        await b.until_done()
        assert await b.states("d") == {"a": "skipped", "b": None}
        assert await b.run_state("d") == "failed"
        pid = await b.pool.fetchval("SELECT pid FROM task_instance WHERE task_id = 'a'")
        await _gone(b, "a", pid)


async def _gone(b: Bench, task_id: str, pid: int | None) -> None:
    async with asyncio.timeout(10):
        while "Ended from outside" not in b.log("d", task_id):
            await asyncio.sleep(0.05)
    assert pid is None or not Path(f"/proc/{pid}").exists()


async def test_what_is_deleted_while_it_runs(b: Bench) -> None:
    """A DAG that is deleted leaves no process and no row; a pool that is deleted holds its tasks until it is back."""
    await b.pool.execute("INSERT INTO slot_pool (pool, slots) VALUES ('p', 1)")
    first, second = bash("sleep 0.3", pool="p"), bash("true", "one", pool="p")
    await b.load({"d": {"tasks": {"a": bash("sleep 77")}}, "e": {"tasks": {"one": first, "two": second}}})
    await b.trigger("d")
    await b.trigger("e")
    async with b.scheduler():
        await b.until(RUNNING, "a")
        pid = await b.pool.fetchval("SELECT pid FROM task_instance WHERE task_id = 'a'")
        await b.pool.execute("DELETE FROM slot_pool WHERE pool = 'p'")
        await _delete(b, "d")
        await _gone(b, "a", pid)
        await b.until("SELECT EXISTS (SELECT FROM task_instance WHERE task_id = 'two' AND state = 'scheduled')")
        await asyncio.sleep(0.6)
        assert await b.states("e") == {"one": "success", "two": "scheduled"}
        await b.pool.execute("INSERT INTO slot_pool (pool, slots) VALUES ('p', 1)")
        await b.until_done()
    assert await b.states("d") == {}
    assert await b.run_state("e") == "success"


def _stubborn(name: object, **options: object) -> dict[str, object]:
    return bash(f"trap '' TERM; while :; do sleep 0.01; done # {name}", **options)


def _runs(name: object) -> bool:
    return subprocess.run(["pgrep", "-f", f"done # {name}"], capture_output=True, check=False).returncode == 0


async def _delete(b: Bench, dag_id: str) -> None:
    async with b.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM dag WHERE dag_id = $1 FOR UPDATE", dag_id)
        for table in ("task_instance", "dag_run", "serialized_dag", "dag"):
            await connection.execute(f"DELETE FROM {table} WHERE dag_id = $1", dag_id)


async def test_what_does_not_listen_to_sigterm_is_killed(database: str, tmp_path: Path) -> None:
    """When its time is over, however often the scheduler looks at it meanwhile; not before."""
    async with bench(database, tmp_path, killed_task_cleanup_time="2") as b:
        slow, deleted = f"slow of {tmp_path}", f"deleted of {tmp_path}"
        await b.load(
            {"d": {"tasks": {"a": _stubborn(deleted)}}, "e": {"tasks": {"b": _stubborn(slow, execution_timeout=1)}}}
        )
        await b.trigger("d")
        await b.trigger("e")
        async with b.scheduler():
            await b.until(RUNNING, "a")
            await b.until(RUNNING, "b")
            await _delete(b, "d")
            # Three heartbeats.
            await asyncio.sleep(1.5)
            assert _runs(deleted)
            assert _runs(slow)
            async with asyncio.timeout(5):
                while _runs(deleted):
                    await asyncio.sleep(0.05)
            await b.until_done(5)
            assert not _runs(slow)
        assert await b.states("e") == {"b": "failed"}


async def test_a_task_that_closes_its_output(b: Bench, tmp_path: Path) -> None:
    """It is ended like any other that takes too long."""
    command = f"exec >/dev/null 2>&1; while sleep 0.05; do :; done # {tmp_path}"
    await b.load({"d": {"tasks": {"t": bash(command, execution_timeout=1)}}})
    await b.trigger("d")
    async with b.scheduler():
        await b.until_done()
        assert await b.states("d") == {"t": "failed"}
        assert not _runs(tmp_path)


async def test_children_have_time_to_leave(b: Bench) -> None:
    """Those of a shell, which itself is gone at SIGTERM, and those that it left in the background."""
    slow = "bash -c 'trap \"sleep 0.5; echo cleaned; exit 0\" TERM; while :; do sleep 0.01; done'"
    tasks = {
        "below": bash(f"{slow}\necho after", execution_timeout=1),
        "background": bash(f"{slow} & sleep 0.1", execution_timeout=1),
    }
    await b.load({"d": {"tasks": tasks}})
    await b.trigger("d")
    async with b.scheduler():
        await b.until_done()
    assert await b.states("d") == dict.fromkeys(tasks, "failed")
    for task_id in tasks:
        assert "\ncleaned\n" in b.log("d", task_id)
        assert "after" not in b.log("d", task_id)


async def test_a_task_that_becomes_a_dummy(b: Bench) -> None:
    """Whoever does that while it is to be tried again unblocks the run."""
    await b.load({"d": {"tasks": {"a": bash("exit 1", retries=5, retry_delay=1), "b": bash("true", "a")}}})
    await b.trigger("d")
    async with b.scheduler():
        await b.until("SELECT EXISTS (SELECT FROM task_instance WHERE state = 'up_for_retry')")
        await b.load({"d": {"tasks": {"a": empty(retries=5, retry_delay=1), "b": bash("true", "a")}}})
        await b.until_done()
    assert await b.states("d") == {"a": "success", "b": "success"}


async def test_whose_a_process_is(b: Bench) -> None:
    """Its mark tells its database and its run: the same task of another one on this machine is not taken for it."""
    code = "import os\ndef mark(): return os.environ['WINDSOCK_TRY']"
    (b.dags_folder / "code.py").write_text(code)
    task = {"operator": "airflow.operators.python.PythonOperator", "python_callable_file": "code.py"}
    marks = set()
    for _ in range(2):
        await b.load({"d": {"tasks": {"a": {**task, "python_callable_name": "mark"}}}})
        await b.trigger("d")
        async with b.scheduler():
            await b.until_done()
        marks.add(await b.pool.fetchval("SELECT value FROM xcom"))
        await _delete(b, "d")
        await b.pool.execute("DELETE FROM xcom; UPDATE windsock_schema SET applied_at = now(); DELETE FROM witness")
    first, second = (json.loads(mark).split("/") for mark in marks)
    assert [one == other for one, other in zip(first, second, strict=True)] == [True, True, False, False, *[True] * 4]


async def test_a_scheduler_that_stops_kills_what_it_is_ending(database: str, tmp_path: Path) -> None:
    """A task that does not listen to SIGTERM does not outlive the scheduler."""
    async with bench(database, tmp_path, killed_task_cleanup_time="2") as b:
        await b.load({"d": {"tasks": {"a": _stubborn(tmp_path)}}})
        await b.trigger("d")
        async with b.scheduler():
            await b.until(RUNNING, "a")
            await _delete(b, "d")
            await asyncio.sleep(1)
            assert _runs(tmp_path)
        assert not _runs(tmp_path)


async def test_a_dag_that_is_deleted_and_triggered_again(database: str, tmp_path: Path) -> None:
    """The run of the same date has a try of its own, and what the other run's try comes to says nothing of it."""
    async with bench(database, tmp_path) as b:
        dags = {"d": {"tasks": {"a": bash("sleep {{ dag_run.conf.seconds }}; exit {{ dag_run.conf.status }}")}}}
        for first in (77, 0.3):
            await b.load(dags)
            await b.trigger("d", conf={"seconds": first, "status": 1})
            async with b.scheduler():
                await b.until(RUNNING, "a")
                await _delete(b, "d")
                await b.load(dags)
                await b.trigger("d", conf={"seconds": 1, "status": 0})
                await b.until_done()
            assert await b.states("d") == {"a": "success"}
            await _delete(b, "d")
            await b.pool.execute("DELETE FROM witness")


async def test_a_scheduler_that_stops_ends_its_tasks(b: Bench) -> None:
    """They count as failed, and are tried again where they have tries left."""
    await b.load(
        {"d": {"tasks": {"a": bash("sleep 77"), "b": bash("[ {{ ti.try_number }} = 2 ] || sleep 77", retries=1)}}}
    )
    await b.trigger("d")
    async with b.scheduler():
        await b.until(RUNNING, "a")
        await b.until(RUNNING, "b")
    assert await b.states("d") == {"a": "failed", "b": "up_for_retry"}
    assert await b.pool.fetchval("SELECT state FROM job") == "success"
    async with b.scheduler():
        await b.until_done()
    assert await b.states("d") == {"a": "failed", "b": "success"}


async def test_a_task_whose_process_is_killed_fails(b: Bench) -> None:
    """A kill -9 of a task is the failure of a try."""
    await b.load({"d": {"tasks": {"a": bash("[ {{ ti.try_number }} = 2 ] || sleep 77", retries=1)}}})
    await b.trigger("d")
    async with b.scheduler():
        await b.until(RUNNING, "a")
        os.kill(await b.pool.fetchval("SELECT pid FROM task_instance"), signal.SIGKILL)
        await b.until_done()
    assert "signal 9 ended it; it will be tried again" in b.log("d", "a")
    assert await b.run_state("d") == "success"


async def test_a_large_run(b: Bench) -> None:
    """A run of very many tasks that do nothing, some beside and some after each other, is over in one go."""
    tasks = {f"t{n}": empty(*([f"t{n - 50}"] if n >= 50 else [])) for n in range(2000)}
    await b.load({"d": {"tasks": tasks}})
    await b.trigger("d")
    async with b.scheduler():
        await b.until_done()
    assert await b.pool.fetchval("SELECT count(*) FROM task_instance WHERE state = 'success'") == 2000


async def test_requests(b: Bench, serve: Callable[..., Awaitable[str]]) -> None:
    """An answer is a result, its failure the task's; the log says what was asked and answered."""
    url = await serve(base_log_folder=b.log_folder)
    common = {"operator": "airflow.operators.http_operator.SimpleHttpOperator", "method": "GET"}
    tasks = {
        "good": {**common, "endpoint": f"{url}/api/experimental/test"},
        "bad": {**common, "endpoint": f"{url}/api/experimental/nope"},
        "closed": {**common, "endpoint": "http://127.0.0.1:1/"},
        "nowhere": {**common, "endpoint": "path"},
        "tolerant": {
            **common,
            "endpoint": f"{url}/api/experimental/nope",
            "extra_options": {"check_response": False},
            "xcom_push": False,
        },
    }
    await b.load({"d": {"tasks": tasks}})
    date = await b.trigger("d")
    async with b.scheduler():
        await b.until_done()
    assert await b.states("d") == {
        "good": "success",
        "bad": "failed",
        "closed": "failed",
        "nowhere": "failed",
        "tolerant": "success",
    }
    assert await b.pool.fetchval("SELECT count(*) FROM xcom WHERE task_id = 'tolerant'") == 0
    assert "answered 404" in b.log("d", "bad")
    logs = f"{url}/api/experimental/dags/d/dag_runs/{date:%Y-%m-%dT%H:%M:%SZ}/tasks"
    async with ClientSession() as session:
        async with session.get(f"{logs}/good/logs") as answer:
            assert (answer.status, answer.content_type, await answer.text()) == (200, "text/plain", b.log("d", "good"))
        for path in ("good/logs?try_number=2", "none/logs", "..%2F..%2Fgood/logs"):
            async with session.get(URL(f"{logs}/{path}", encoded=True)) as answer:
                assert answer.status == 404


async def test_what_a_server_sees_and_says(b: Bench) -> None:
    """Forms, queries and bodies as requests sends them; an answer in pieces that names no encoding is whole."""
    seen: list[tuple[str, str, str, str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append((request.method, request.query_string, await request.text(), request.headers.get("X-K", "")))
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        for n in range(int(request.match_info["pieces"])):
            await response.write(f"{n} grüße\n".encode() * 1000)
            await asyncio.sleep(0.01)
        return response

    app = web.Application()
    app.router.add_route("*", "/{pieces}", answer)
    common = {"operator": "airflow.providers.http.operators.http.HttpOperator"}
    async with TestServer(app) as server:
        tasks = {
            "form": {**common, "endpoint": str(server.make_url("/2")), "data": {"a": ["{{ 1 + 1 }}", 3]}},
            "query": {**common, "endpoint": str(server.make_url("/1")), "data": {"a": 1}, "method": "GET"},
            "body": {**common, "endpoint": str(server.make_url("/1")), "data": '{"a": 1}', "headers": {"X-K": "v"}},
            "huge": {**common, "endpoint": str(server.make_url("/200")), "method": "PUT"},
        }
        await b.load({"d": {"tasks": tasks}})
        await b.trigger("d")
        async with b.scheduler():
            await b.until_done()
    assert await b.states("d") == {"form": "success", "query": "success", "body": "success", "huge": "failed"}
    assert sorted(seen) == [
        ("GET", "a=1", "", ""), ("POST", "", "a=2&a=3", ""), ("POST", "", '{"a": 1}', "v"), ("PUT", "", "", ""),
    ]  # fmt: skip
    value = await b.pool.fetchval("SELECT value FROM xcom WHERE task_id = 'form'")
    assert json.loads(value) == "0 grüße\n" * 1000 + "1 grüße\n" * 1000


async def test_what_does_not_fit_stops_nobody(b: Bench) -> None:
    """Keys that no column holds, results that are too large, states of others, DAGs that are gone: the rest goes on."""
    code = """
def long(ti): ti.xcom_push("k" * 513, 1)
def nul(ti): ti.xcom_push("a\\0", 1)
def large(): return "x" * 2**21
def surrogate(): return "\\ud800"
"""
    (b.dags_folder / "code.py").write_text(code)
    common = {"operator": "airflow.operators.python.PythonOperator", "python_callable_file": "code.py"}
    names = ("long", "nul", "large", "surrogate")
    await b.load({
        "odd": {"tasks": {name: {**common, "python_callable_name": name} for name in names}},
        "gone": {"tasks": {"t": empty()}},
        "foreign": {"tasks": {"t": bash("true"), "u": bash("true", "t")}},
        "good": {"tasks": {"t": bash("true")}},
    })  # fmt: skip
    await b.pool.execute("DELETE FROM serialized_dag WHERE dag_id = 'gone'")
    date = await b.trigger("foreign")
    await b.pool.execute(
        "INSERT INTO task_instance (task_id, dag_id, execution_date, state, pool)"
        " VALUES ('t', 'foreign', $1, 'shutdown', 'default_pool')",
        date,
    )
    for dag_id in ("odd", "gone", "good"):
        await b.trigger(dag_id)
    async with b.scheduler():
        await b.until("SELECT count(*) = 1 FROM dag_run WHERE state = 'running'")
        await b.pool.execute("UPDATE task_instance SET state = 'success' WHERE state = 'shutdown'")
        await b.until_done()
    assert await b.states("odd") == {"long": "failed", "nul": "failed", "large": "failed", "surrogate": "success"}
    runs = {dag_id: await b.run_state(dag_id) for dag_id in ("odd", "gone", "foreign", "good")}
    assert runs == {"odd": "failed", "gone": "failed", "foreign": "success", "good": "success"}
    await b.pool.execute("DELETE FROM witness WHERE old_state = 'shutdown'")
