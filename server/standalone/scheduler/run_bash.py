"""BashOperator: runs a command; its output goes into the log, and the last line of it is the result."""

import os
from typing import Any

from server.standalone.scheduler.context import environment
from server.standalone.scheduler.run_command import Running
from server.standalone.scheduler.task_outcomes import TaskFailed, TaskSkipped
from server.task_logs.writing import LineTooLongError
from windsock.config.secrets import without_secrets

# The exit status that Airflow 2 takes for a skip unless the task says otherwise.
_SKIP = 99
_NUL = "a NUL character cannot be part of a command or of its environment"


async def run_bash(running: Running, fields: dict[str, Any]) -> str:
    """Run the command and return its last line. Raises TaskFailed for an exit status other than 0, and TaskSkipped."""
    command = str(fields["bash_command"])
    env = _environment(running, fields)
    if "\0" in command or any("\0" in text for pair in env.items() for text in pair):
        raise TaskFailed(_NUL)
    async with running.place.workspace.folder() as folder:
        cwd = fields.get("cwd") or folder
        if not os.path.isdir(cwd):  # noqa: PTH112, ASYNC240 - one stat, and cwd is a text
            raise TaskFailed(f"`cwd` is not a folder: {cwd}")
        status = await running.run(["bash", "-c", command], env=env, cwd=cwd)
    if status in _skips(fields):
        raise TaskSkipped(f"the command skipped the task with exit status {status}")
    if status != 0:
        raise TaskFailed(f"the command ended with exit status {status}" if status > 0 else f"signal {-status} ended it")
    if not running.attempt.node.pushes:
        return ""
    try:
        return running.log.last_line(fields.get("output_encoding", "utf-8"))
    except LineTooLongError as error:
        raise TaskFailed(str(error)) from error


def _environment(running: Running, fields: dict[str, Any]) -> dict[str, str]:
    given = fields.get("env")
    inherited = without_secrets() if given is None or fields.get("append_env") else {}
    own = {name: "" if value is None else str(value) for name, value in (given or {}).items()}
    return {**inherited, **environment(running.attempt), **own}


def _skips(fields: dict[str, Any]) -> list[int]:
    value: int | list[int] = fields.get("skip_on_exit_code", fields.get("skip_exit_code", _SKIP))
    return value if isinstance(value, list) else [value]
