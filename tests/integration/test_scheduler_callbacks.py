"""Callbacks of DAG files on a real database, in real processes: which is called when, with what, and its bounds."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.standalone.scheduler import callbacks, run_python
from tests.scheduling import Bench, bash, bench, empty

CODE = """
import json, os, pathlib, subprocess, time

FILE = pathlib.Path(__file__).with_name("calls")

def note(event, context, **more):
    ti = context["ti"]
    facts = [event, ti.dag_id, ti.task_id, ti.try_number, ti.state]
    facts += [str(context.get("exception", "")), context["run_id"]]
    with FILE.open("a") as file:
        file.write(json.dumps([*facts, more]) + "\\n")

def begun(context): note("begun", context)
def done(context): note("done", context)
def failed(context): note("failed", context)
def again(context): note("again", context)
def skipped(context): note("skipped", context)
def pulls(context): note(context["ti"].xcom_pull(task_ids=context["task"].task_id), context)
def wrong(context): raise ValueError("a mistake")
def slow(context):
    FILE.with_name("slow").write_text(str(os.getpid()))
    time.sleep(600)
def prints(context): print("12345\\n" * 100_000)
def leaves(context):
    nothing = subprocess.DEVNULL
    child = subprocess.Popen(["sleep", "600"], start_new_session=True, stdout=nothing, stderr=nothing)
    FILE.with_name("left").write_text(str(child.pid))

class Notifier:
    def __init__(self, text): self.text = text
    def notify(self, context): note(self.text, context)

def grouped(context, text): note("group", context, text=text)
"""
ALL = {
    f"on_{event}_callback{suffix}": value
    for event, name in [
        ("execute", "begun"), ("success", "done"), ("failure", "failed"), ("retry", "again"), ("skipped", "skipped")
    ]
    for suffix, value in [("_file", "ws_code.py"), ("_name", name)]
}  # fmt: skip


@pytest.fixture
async def b(database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """Set up a bench with a file of callbacks, and hold afterwards what its witness saw against the transitions."""
    async with bench(database, tmp_path) as made:
        (made.dags_folder / "ws_code.py").write_text(CODE)
        yield made
        assert not await made.witnessed()
    sys.modules.pop("ws_code", None)


def calls(b: Bench, task_id: str) -> list[Any]:
    """Return the calls for a task."""
    lines = [json.loads(line) for line in (b.dags_folder / "calls").read_text().splitlines()]
    return [line for line in lines if line[2] == task_id]


async def test_each_end_has_its_callback(b: Bench) -> None:
    """From `default_args` and from groups, whose files are beside the DAG file; an empty task is called for, too."""
    grouped = {"on_success_callback": {"callback": "ws_code.grouped", "text": "x"}}
    tasks = {
        "good": bash("echo hello"),
        "bad": bash("exit 3", retries=1),
        "skip": bash("exit 99"),
        "nothing": empty(),
        "below": empty("bad"),
        "notifies": bash("true", on_success_callback={"callback": "ws_code.Notifier", "text": "a notice"}),
        "dotted": bash("echo hello", on_success_callback="ws_code.pulls"),
        "other": bash("true", task_group_name="g"),
    }
    groups = {"g": {"default_args": grouped}}
    await b.load({"d": {"tasks": tasks, "task_groups": groups, "default_args": ALL}})
    await b.trigger("d")
    async with b.scheduler():
        await b.until_done()
    good = ["d", "good", 1]
    assert calls(b, "good") == [
        ["begun", *good, "running", "", "run_0", {}],
        ["done", *good, "success", "", "run_0", {}],
    ]
    ends = [(event, number, state, exception) for event, _, _, number, state, exception, *_ in calls(b, "bad")]
    assert ends == [
        ("begun", 1, "running", ""),
        ("again", 1, "up_for_retry", "the command ended with exit status 3"),
        ("begun", 2, "running", ""),
        ("failed", 2, "failed", "the command ended with exit status 3"),
    ]
    assert [call[0] for call in calls(b, "skip")] == ["begun", "skipped"]
    assert [call[0] for call in calls(b, "nothing")] == ["begun", "done"]
    assert [call[0] for call in calls(b, "notifies")] == ["begun", "a notice"]
    assert [call[0] for call in calls(b, "dotted")] == ["begun", "hello"]
    assert [(call[0], call[-1]) for call in calls(b, "g.other")] == [("begun", {}), ("group", {"text": "x"})]
    assert calls(b, "below") == []
    assert "Calling done (on_success_callback)" in b.log("d", "good")


async def test_a_callback_cannot_change_its_task(b: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fails, takes too long or prints too much is a line of the log, and its processes are ended."""
    monkeypatch.setattr(run_python, "_MOST_OUTPUT", 12_000)
    monkeypatch.setattr(callbacks, "LONGEST", 1.0)
    slow = {"on_success_callback_file": "ws_code.py", "on_success_callback_name": "slow"}
    names = {"wrong": "wrong", "absent": "absent", "prints": "prints", "leaves": "leaves"}
    tasks = {
        name: bash("true", on_success_callback_file="ws_code.py", on_success_callback_name=function)
        for name, function in names.items()
    }
    tasks |= {"slow": bash("true", **slow), "nowhere": bash("true", on_success_callback="nowhere.nothing")}
    await b.load({"d": {"tasks": tasks}})
    await b.trigger("d")
    async with b.scheduler():
        await b.until_done()
    assert set((await b.states("d")).values()) == {"success"}
    assert "on_success_callback failed: ValueError: a mistake" in b.log("d", "wrong")
    assert "AttributeError" in b.log("d", "absent")
    assert "ModuleNotFoundError" in b.log("d", "nowhere")
    assert "it took longer than 1 seconds" in b.log("d", "slow")
    log = b.log("d", "prints")
    assert log.count("12345\n") == 2000
    assert "It printed more than 12000 bytes: the rest is not kept" in log
    for name in ("slow", "left"):
        process = Path("/proc", (b.dags_folder / name).read_text())
        # Whether somebody has waited for a killed process is another matter.
        assert not process.exists() or not (process / "cmdline").read_bytes()


async def test_a_scheduler_that_stops_ends_the_callback_alone(b: Bench) -> None:
    """The task has succeeded before, which is stored now, and is not tried again."""
    task = bash("true", on_success_callback="ws_code.slow", retries=1)
    await b.load({"d": {"tasks": {"t": task}}})
    await b.trigger("d")
    async with b.scheduler():
        while not (b.dags_folder / "slow").exists():
            await asyncio.sleep(0.05)
        # So a scheduler that is killed now loses the try.
        assert await b.states("d") == {"t": "running"}
    assert await b.states("d") == {"t": "success"}
    assert "The callback was ended" in b.log("d", "t")
