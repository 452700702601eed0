"""PythonOperator: calls a function in a Python process of its own, which runs `python_task`."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from server.standalone.scheduler import python_task
from server.standalone.scheduler.context import environment, facts
from server.standalone.scheduler.process_groups import CALLBACK_MARKER, kill_left
from server.standalone.scheduler.results import Result, ResultError, ResultFolder
from server.standalone.scheduler.run_command import Running
from server.standalone.scheduler.task_outcomes import TaskFailed, TaskSkipped
from windsock.config.secrets import without_secrets

_NO_RESULTS: Mapping[str, Any] = {}
_NO_VARIABLES: Mapping[str, str] = {}
# How much of what a callback prints is kept, in bytes.
_MOST_OUTPUT = 10 * 2**20


async def run_python(running: Running, fields: dict[str, Any]) -> dict[str, Any]:
    """Call the function and return all its results for other tasks, by key.

    Raises TaskFailed if it raised an exception, and TaskSkipped if that was an AirflowSkipException.
    """
    # The result is apart from the folder in which the function works, where files may have any name.
    async with running.place.workspace.folder() as folder, running.place.workspace.folder() as other:
        with closing(ResultFolder(other)) as results:
            request = json.dumps(_request(running, fields) | {"result_file": str(results.file)}, default=str)
            status = await _run(running, folder, request.encode())
            result = _read(results, status)
    xcoms = dict(result.xcoms)
    match result.outcome:
        case "success":
            return xcoms
        case "skipped":
            raise TaskSkipped(result.message, xcoms)
    raise TaskFailed(result.message, xcoms, final=result.outcome == "failed_for_good")


async def call_back(
    running: Running,
    callback: Mapping[str, Any],
    more: Mapping[str, object],
    own: Mapping[str, Any] = _NO_RESULTS,
    memory: int | None = None,
) -> None:
    """Call a callback with the task's context, `more` facts and the try's `own` results. Raises TaskFailed.

    The log gets the first 10 MiB of what it prints. It may use `memory` bytes of address space, None: all there is.
    What it started does not outlive it, unless that has cleared its environment.
    """
    running = replace(running, most_output=_MOST_OUTPUT)
    fields = {"python_callable_file": callback.get("file"), "python_callable_name": callback.get("name")}
    fields |= {"op_kwargs": callback.get("kwargs"), "show_return_value_in_logs": False}
    async with running.place.workspace.folder() as folder, running.place.workspace.folder() as other:
        with closing(ResultFolder(other)) as results:
            request = _request(running, fields)
            request["xcoms"] += [[running.attempt.key.task_id, key, value] for key, value in own.items()]
            request |= {"more": more, "result_file": str(results.file), "push": False, "memory": memory}
            mark = uuid4().hex
            try:
                status = await _run(running, folder, json.dumps(request, default=str).encode(), {CALLBACK_MARKER: mark})
            finally:
                await asyncio.to_thread(kill_left, [mark], marker=CALLBACK_MARKER)
            result = _read(results, status)
    if result.outcome != "success":
        raise TaskFailed(result.message)


async def _run(running: Running, folder: Path, request: bytes, more_env: Mapping[str, str] = _NO_VARIABLES) -> int:
    with tempfile.TemporaryFile(dir=folder) as stdin:
        stdin.write(request)
        stdin.seek(0)
        env = {**without_secrets(), **environment(running.attempt), "PYTHONUNBUFFERED": "1", **more_env}
        # -P: do not import from the folder of this file.
        command = [sys.executable, "-P", python_task.__file__]
        return await running.run(command, env=env, cwd=folder, stdin=stdin.fileno())


def _read(results: ResultFolder, status: int) -> Result:
    try:
        result = results.read()
    except ResultError as error:
        raise TaskFailed(str(error)) from error
    if result is None:
        reason = f"signal {-status} ended it" if status < 0 else f"it ended with exit status {status}"
        raise TaskFailed(f"the function wrote no result: {reason}")
    return result


def _request(running: Running, fields: dict[str, Any]) -> dict[str, Any]:
    attempt = running.attempt
    known = facts(attempt)
    return known | {
        "file": fields.get("python_callable_file"),
        "name": fields.get("python_callable_name") or fields.get("python_callable"),
        "path": [str(running.place.dags_folder), str(Path(str(known["dag"]["fileloc"] or "")).parent)],
        "args": fields.get("op_args") or [],
        "kwargs": fields.get("op_kwargs") or {},
        "templates_dict": fields.get("templates_dict"),
        "show_return_value": fields.get("show_return_value_in_logs", True),
        "push": attempt.node.pushes,
        "more": None,
        "memory": None,
    }
