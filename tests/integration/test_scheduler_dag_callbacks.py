"""Callbacks of DAGs on a real database, in real processes: for ends of runs and missed SLAs, and their bounds."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog

from server.standalone.scheduler import callbacks, dag_callbacks
from tests.scheduling import START, Bench, bash, bench, empty

CODE = """
import json, os, pathlib, time

FILE = pathlib.Path(__file__).with_name("calls")

def note(*facts):
    with FILE.open("a") as file:
        file.write(json.dumps(facts) + "\\n")

def ended(context, **more):
    run, ti = context["dag_run"], context["ti"]
    states = {one.task_id: one.state for one in run.get_task_instances()}
    failed = [one.task_id for one in run.get_task_instances(state="failed")]
    value = ti.xcom_pull(task_ids="a")
    reason = context["reason"]
    note(context["dag"].dag_id, run.run_id, run.state, reason, ti.task_id, ti.state, states, failed, value, more)
    assert run.end_date >= run.start_date and str(context["execution_date"]).startswith("2024-01-0")
    print("it was noted")

def wrong(context): raise ValueError("a mistake")
def hog(context): bytearray(3 * 2**30)
def quick(context): note(-1)
def slow(context):
    note(os.getpid())
    time.sleep(600)

def missed(dag, task_list, blocking_task_list, slas, blocking_tis):
    facts = [[sla.dag_id, sla.task_id, sla.execution_date.isoformat()] for sla in slas]
    note(dag.dag_id, task_list, blocking_task_list, facts, [[ti.task_id, ti.state] for ti in blocking_tis])

class Notifier:
    def __init__(self, text): self.text = text
    def notify(self, context): note(context["dag"].dag_id, self.text, context["task_list"], *context)
"""
MISSED = {"sla_miss_callback_file": "ws_code.py", "sla_miss_callback_name": "missed"}
Lines = Sequence[MutableMapping[str, Any]]


@pytest.fixture
async def b(database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """Set up a bench with a file of callbacks, and hold afterwards what its witness saw against the transitions."""
    async with bench(database, tmp_path) as made:
        (made.dags_folder / "ws_code.py").write_text(CODE)
        yield made
        assert not await made.witnessed()
    sys.modules.pop("ws_code", None)


async def calls(b: Bench, number: int) -> list[Any]:
    """Wait for so many calls, and return them in an order of their own."""
    file = b.dags_folder / "calls"
    file.touch()
    async with asyncio.timeout(60):
        while file.read_text().count("\n") < number:
            await asyncio.sleep(0.05)
    return sorted(json.loads(line) for line in file.read_text().splitlines())


async def calls_after(b: Bench, number: int) -> list[Any]:
    """Wait for so many calls, and then for two heartbeats of each scheduler; return all calls."""
    await calls(b, number)
    await asyncio.sleep(1.1)
    return await calls(b, number)


async def lines_about(logs: Lines, event: str, number: int) -> Lines:
    """Wait for so many lines of the scheduler's log."""
    async with asyncio.timeout(60):
        while len(lines := [line for line in logs if event in line["event"]]) < number:
            await asyncio.sleep(0.05)
    return lines


async def test_each_end_of_a_run_has_its_callback(b: Bench) -> None:
    """Once, with the task that failed or ended last; `default_args` are for tasks, and a mark calls none."""
    both = {
        "on_success_callback_file": "ws_code.py", "on_success_callback_name": "ended",
        "on_failure_callback": {"callback": "ws_code.ended", "channel": "x"},
    }  # fmt: skip
    await b.load({
        "good": {"tasks": {"a": bash("echo 7"), "b": empty("a")}, **both},
        "bad": {"tasks": {"a": bash("exit 3"), "b": empty("a"), "c": bash("sleep 1")}, **both},
        "late": {"tasks": {"a": bash("sleep 600")}, "dagrun_timeout": 2, **both},
        "empty": {"tasks": {"a": empty()}, **both},
        "tasks_only": {"tasks": {"a": empty()}, "default_args": {"on_success_callback": "ws_code.wrong"}},
        "marked": {"tasks": {"a": bash("sleep 600")}, **both},
    })  # fmt: skip
    for dag_id in ("good", "bad", "late", "empty", "tasks_only", "marked"):
        await b.trigger(dag_id)
    async with b.scheduler():
        await b.until("SELECT state = 'running' FROM task_instance WHERE dag_id = 'marked'")
        await b.pool.execute("UPDATE task_instance SET state = 'failed' WHERE dag_id = 'marked'")
        await b.pool.execute("UPDATE dag_run SET state = 'failed' WHERE dag_id = 'marked'")
        await b.until_done()
        found = await calls(b, 4)
    channel = {"channel": "x"}
    states = {"a": "failed", "b": "upstream_failed", "c": "success"}
    assert found == [
        ["bad", "run_0", "failed", "task_failure", "a", "failed", states, ["a"], None, channel],
        ["empty", "run_0", "success", "success", "a", "success", {"a": "success"}, [], None, {}],
        ["good", "run_0", "success", "success", "b", "success", {"a": "success", "b": "success"}, [], "7", {}],
        ["late", "run_0", "failed", "timed_out", "a", "skipped", {"a": "skipped"}, [], None, channel],
    ]
    log = b.log("bad", "a")
    assert "Calling ws_code.ended (on_failure_callback of the DAG)\nit was noted\n" in log
    assert "it was noted" in b.log("empty", "a")


async def test_nothing_waits_for_a_callback(b: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fails, takes too much or too long is a line of the log; a few of a DAG wait, and hold up no other."""
    monkeypatch.setattr(dag_callbacks, "_MOST_OF_DAG", 4)
    tasks = {"tasks": {"a": empty()}}
    await b.load({
        name: {**tasks, "on_success_callback": f"ws_code.{name}"} for name in ("wrong", "hog", "absent", "slow")
    } | {"other": {**tasks, "on_success_callback": "ws_code.quick"}})  # fmt: skip
    with structlog.testing.capture_logs() as logs:
        async with b.scheduler():
            for dag_id in ("wrong", "hog", "absent"):
                await b.trigger(dag_id)
            failed = await lines_about(logs, "a callback of a DAG failed", 3)
            reasons = {line["dag_id"]: line["reason"] for line in failed}
            assert reasons["wrong"] == "on_success_callback of the DAG failed: ValueError: a mistake"
            assert "MemoryError" in reasons["hog"]
            assert "AttributeError" in reasons["absent"]
            for n in range(6):
                await b.trigger("slow", n)
            assert len(await lines_about(logs, "too many wait", 2)) == 2
            ((pid,),) = await calls(b, 1)
            for n in range(3):
                await b.trigger("other", n)
            assert await calls(b, 4) == [[-1], [-1], [-1], [pid]]
            assert Path("/proc", str(pid)).exists()
        monkeypatch.setattr(callbacks, "LONGEST", 1.0)
        async with b.scheduler():
            await b.trigger("slow", 6)
            failed = await lines_about(logs, "a callback of a DAG failed", 4)
            assert "it took longer than 1 seconds" in failed[-1]["reason"]
            assert "it took longer than 1 seconds" in b.log("slow", "a", n=6)
            assert not any(Path("/proc", str(pid)).exists() for (pid,) in await calls(b, 5) if pid > 0)
    assert {row["state"] for row in await b.pool.fetch("SELECT state FROM dag_run")} == {"success"}


async def test_a_scheduler_that_stops_ends_the_callback(b: Bench) -> None:
    """The next scheduler does not call it again."""
    await b.load({"d": {"tasks": {"a": empty()}, "on_success_callback": "ws_code.slow"}})
    await b.trigger("d")
    async with b.scheduler():
        ((pid,),) = await calls(b, 1)
    assert not Path("/proc", str(pid)).exists()
    async with b.scheduler():
        await b.trigger("d", 1)
        assert len(await calls(b, 2)) == 2
    assert await b.run_state("d") == "success"


async def schedule_run(b: Bench, dag_id: str) -> str:
    """Insert a run as a schedule makes it, whose data interval ends in an hour; return its date."""
    await b.pool.execute(
        "INSERT INTO dag_run (dag_id, run_id, execution_date, state, external_trigger, start_date,"
        " data_interval_start, data_interval_end)"
        " VALUES ($1, 'scheduled__0', $2, 'running', false, now(), $2, now() + interval '1 hour')",
        dag_id, START,
    )  # fmt: skip
    return START.isoformat()


async def test_missed_slas_are_told_once(b: Bench, tmp_path: Path) -> None:
    """Tasks of a scheduled run that have not succeeded in time, also if it has failed; in one call for each DAG."""
    go = tmp_path / "go"
    waits = bash(f"until [ -e {go} ]; do sleep 0.05; done")
    tasks = {
        "quick": bash("true"), "skips": bash("exit 99"), "bad": bash("false"), "slow": waits, "below": empty("slow"),
        "any_time": bash("false", sla=0), "patient": {**waits, "sla": {"__type__": "datetime.timedelta", "hours": 1}},
    }  # fmt: skip
    notifier = {"sla_miss_callback": {"callback": "ws_code.Notifier", "text": "late"}}
    await b.load({
        "d": {"tasks": tasks, "default_args": {"sla_secs": 2}, **MISSED},
        "over": {"tasks": {"bad": bash("false", sla="3 seconds")}, **MISSED},
        "paused": {"tasks": {"t": {**waits, "sla": 1}}, **notifier},
        "untold": {"tasks": {"t": {**waits, "sla": 1}}},
    })  # fmt: skip
    date = await schedule_run(b, "d")
    for dag_id in ("over", "paused", "untold"):
        await schedule_run(b, dag_id)
    await b.trigger("d", 1)
    async with b.scheduler(), b.scheduler():
        await b.until("SELECT count(*) FILTER (WHERE state IN ('success', 'skipped', 'failed')) = 9"
                      " AND count(*) FILTER (WHERE state = 'running') = 6 FROM task_instance")  # fmt: skip
        await b.until("SELECT state = 'failed' FROM dag_run WHERE dag_id = 'over'")
        rows = await b.pool.fetch(
            "SELECT dag_id, task_id, extract(epoch FROM due - data_interval_end)::int FROM windsock_sla"
            " JOIN dag_run USING (dag_id, execution_date)"
        )
        slas = {("d", task_id): 2 for task_id in ("bad", "below", "quick", "skips", "slow")} | {("d", "patient"): 3600}
        assert {tuple(key): sla for *key, sla in rows} == slas | {("over", "bad"): 3, ("paused", "t"): 1}
        await b.pool.execute("UPDATE dag SET is_paused = true WHERE dag_id = 'paused'")
        assert await calls_after(b, 0) == []
        await b.pool.execute("UPDATE windsock_sla SET due = now() WHERE task_id <> 'patient'")
        missed = [["d", task_id, date] for task_id in ("bad", "below", "slow")]
        lists = ["\n".join(f"{task_id} on {date}" for task_id in ids) for ids in
                 (("bad", "below", "slow"), ("any_time", "bad", "patient", "skips", "slow"))]  # fmt: skip
        blocking = [["any_time", "failed"], ["bad", "failed"], ["patient", "running"], ["skips", "skipped"]]
        told = [
            ["d", *lists, missed, [*blocking, ["slow", "running"]]],
            ["over", f"bad on {date}", f"bad on {date}", [["over", "bad", date]], [["bad", "failed"]]],
        ]
        assert await calls_after(b, 2) == told
        await b.pool.execute("UPDATE dag SET is_paused = false")
        names = ["dag", "task_list", "blocking_task_list", "slas", "blocking_tis"]
        assert await calls_after(b, 3) == [*told, ["paused", "late", f"t on {date}", *names]]
        go.touch()
        await b.until_done()
        assert len(await calls_after(b, 3)) == 3
    assert "Calling missed (sla_miss_callback of the DAG)" in b.log("d", "bad")
    rows = await b.pool.fetch("SELECT task_id, notification_sent FROM sla_miss WHERE dag_id = 'd' ORDER BY task_id")
    assert list(map(tuple, rows)) == [("bad", True), ("below", True), ("slow", True)]
    left = "SELECT array_agg(task_id) FROM windsock_sla"
    assert await b.pool.fetchval(left) == ["patient"]
    await b.pool.execute("DELETE FROM task_instance WHERE dag_id = 'd'")
    assert await b.pool.fetchval(left) is None
