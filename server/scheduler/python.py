"""PythonOperator: a function, in a Python process of its own; `python_task` is what runs there."""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from server.scheduler import python_task
from server.scheduler.context import environment, facts
from server.scheduler.errors import TaskFailed, TaskSkipped
from server.scheduler.running import Running

_LARGEST_RESULT = 2**20


async def run_python(running: Running, fields: dict[str, Any]) -> dict[str, Any]:
    """Call the function and return all that it leaves for other tasks, by key.

    Raises TaskFailed where it raised, TaskSkipped where it raised an AirflowSkipException.
    """
    with tempfile.TemporaryDirectory(prefix="windsock-task-", ignore_cleanup_errors=True) as folder:
        result_file = Path(folder, "result.json")
        request = _request(running, fields) | {"result_file": str(result_file)}
        with tempfile.TemporaryFile(dir=folder) as stdin:
            stdin.write(json.dumps(request, default=str).encode())
            stdin.seek(0)
            env = {**os.environ, **environment(running.attempt), "PYTHONUNBUFFERED": "1"}
            # -P: the folder of this file is no place to import from.
            command = [sys.executable, "-P", python_task.__file__]
            status = await running.run(command, env=env, cwd=folder, stdin=stdin.fileno())
        result = _read(result_file, status)
    xcoms: dict[str, Any] = result["xcoms"]
    match result["outcome"]:
        case "success":
            return xcoms
        case "skipped":
            raise TaskSkipped(result["message"], xcoms)
    raise TaskFailed(result["message"], xcoms, final=result["outcome"] == "failed_for_good")


def _read(result_file: Path, status: int) -> dict[str, Any]:
    try:
        if result_file.stat().st_size > _LARGEST_RESULT:
            raise TaskFailed(f"what the function leaves for other tasks is over {_LARGEST_RESULT} bytes")
        result: dict[str, Any] = json.loads(result_file.read_bytes())
    except (OSError, ValueError):
        reason = f"signal {-status} ended it" if status < 0 else f"it ended with exit status {status}"
        raise TaskFailed(f"the function has left no result: {reason}") from None
    return result


def _request(running: Running, fields: dict[str, Any]) -> dict[str, Any]:
    attempt = running.attempt
    known = facts(attempt)
    return known | {
        "file": fields.get("python_callable_file"),
        "name": fields.get("python_callable_name") or fields.get("python_callable"),
        "path": [str(running.dags_folder), str(Path(str(known["dag"]["fileloc"] or "")).parent)],
        "args": fields.get("op_args") or [],
        "kwargs": fields.get("op_kwargs") or {},
        "templates_dict": fields.get("templates_dict"),
        "show_return_value": fields.get("show_return_value_in_logs", True),
        "push": attempt.node.pushes,
    }
