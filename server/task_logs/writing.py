"""Logs of tasks: base_log_folder/<dag_id>/<task_id>/<execution_date>/<try>.log, as in Airflow 1.10."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path

from server.task_logs.opening import open_to_write

_LONGEST_LINE = 2**20
# Most file systems allow so many bytes.
_LONGEST_NAME = 255


class NoLogError(Exception):
    """There is no such log, or its name is not possible."""


def log_folder(base: Path, dag_id: str, task_id: str, execution_date: datetime) -> Path:
    """Return the folder of a task's tries in one run. Raises NoLogError for ids that cannot be names of folders."""
    for part in (dag_id, task_id):
        if part in {"", ".", ".."} or "/" in part or "\0" in part or len(part.encode(errors="replace")) > _LONGEST_NAME:
            message = f"{part!r} cannot be the name of a folder"
            raise NoLogError(message)
    return base / dag_id / task_id / execution_date.astimezone(UTC).isoformat()


class LineTooLongError(Exception):
    """The last line of a task's output is longer than this module keeps."""


class TaskLog:
    """An open log: the task's output, and lines of the scheduler. A full disk stops neither of them."""

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._line = self._unended = b""

    def say(self, text: str) -> None:
        """Write a line of the scheduler."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        line = "\n".join(f"[{stamp} UTC] {part}" for part in text.splitlines() or [""])
        before = "\n" if self._unended else ""
        self._write(f"{before}{line}\n".encode(errors="replace"))

    def add(self, output: bytes) -> None:
        """Write output of the task."""
        self._write(output)
        ended, newline, rest = output.rpartition(b"\n")
        if newline:
            self._line = (self._unended + ended).rpartition(b"\n")[2]
            self._unended = rest
        elif len(self._unended) <= _LONGEST_LINE:
            self._unended += rest

    def last_line(self, encoding: str) -> str:
        """Return the last line of the task's output so far; as in Airflow, it may be blank.

        Raises LineTooLongError, whose message says what the task may do.
        """
        line = self._unended or self._line
        if len(line) > _LONGEST_LINE:
            message = (
                f"its last line is over {_LONGEST_LINE} bytes, too long to be kept for other tasks:"
                " write another one, or say do_xcom_push: false"
            )
            raise LineTooLongError(message)
        return line.decode(encoding, errors="backslashreplace").rstrip()

    def _write(self, data: bytes) -> None:
        with suppress(OSError):
            os.write(self._file.fileno(), data)


@contextmanager
def open_log(folder: Path, try_number: int) -> Iterator[TaskLog]:
    """Open the log of a try for appending. Raises OSError."""
    with open_to_write(folder, f"{try_number}.log") as file:
        yield TaskLog(file)
