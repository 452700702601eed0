"""Where the output of tasks goes: base_log_folder/<dag_id>/<task_id>/<execution_date>/<try>.log, as in Airflow 1.10."""

import asyncio
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from server.errors import NotFound
from server.scheduler.errors import TaskFailed

if TYPE_CHECKING:
    from server.metadata.metadata import Metadata

_LONGEST_LINE = 2**20


class NoLogError(Exception):
    """There is no such log, or its name could not be one."""


def log_folder(base: Path, dag_id: str, task_id: str, execution_date: datetime) -> Path:
    """The folder of a task's tries in one run. Raises NoLogError for ids that are no names of folders."""
    for part in (dag_id, task_id):
        if part in {"", ".", ".."} or "/" in part or "\0" in part:
            message = f"{part!r} cannot be the name of a folder"
            raise NoLogError(message)
    return base / dag_id / task_id / execution_date.astimezone(UTC).isoformat()


def remove_logs(base: Path, runs: Iterable[tuple[str, datetime]]) -> int:
    """Remove the logs of all tasks of these runs (dag_id, execution_date); how many tasks had some. Raises OSError."""
    removed = 0
    for dag_id, execution_date in runs:
        with suppress(NoLogError):
            folder = log_folder(base, dag_id, "any", execution_date)
            for each in folder.parent.parent.glob(f"*/{folder.name}"):
                try:
                    shutil.rmtree(each)
                except OSError as error:
                    # It names the file without its folder.
                    error.filename = str(each)
                    raise
                removed += 1
    return removed


def tries(folder: Path) -> list[int]:
    """The tries that have a log, in order."""
    try:
        names = [entry.name for entry in os.scandir(folder)]
    except OSError:
        return []
    stems = (name.removesuffix(".log") for name in names if name.endswith(".log"))
    return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdecimal())


class LogFile(NamedTuple):
    """The log of a try."""

    try_number: int
    path: Path


def find_log(folder: Path, try_number: int | None = None) -> LogFile:
    """The log of a try, by default the last one. Raises NoLogError."""
    known = tries(folder)
    wanted = try_number if try_number is not None else max(known, default=None)
    if wanted is None or wanted not in known:
        which = "of any try" if try_number is None else f"of try {try_number}"
        message = f"there is no log {which} on this machine"
        raise NoLogError(message)
    return LogFile(wanted, folder / f"{wanted}.log")


async def local_log(
    metadata: "Metadata", base: Path, dag_id: str, execution_date: datetime, task_id: str, try_number: int | None
) -> LogFile:
    """The log of a task instance that Windsock ran on this machine; raises NotFound."""
    await metadata.task_instances.get(dag_id, execution_date, task_id)
    if not metadata.standalone:
        raise NotFound("Logs are there where Windsock runs the tasks itself; Airflow keeps these")
    try:
        folder = log_folder(base, dag_id, task_id, execution_date)
        return await asyncio.to_thread(find_log, folder, try_number)
    except NoLogError as error:
        raise NotFound(f"Task {task_id} at date {execution_date.isoformat()}: {error}") from error


class TaskLog:
    """An open log: a task's output, and lines of the scheduler's. A disk that is full stops neither."""

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._line = self._unended = b""

    def say(self, text: str) -> None:
        """Write a line of the scheduler's."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        line = "\n".join(f"[{stamp} UTC] {part}" for part in text.splitlines() or [""])
        before = "\n" if self._unended else ""
        self._write(f"{before}{line}\n".encode(errors="replace"))

    def add(self, output: bytes) -> None:
        """Write what comes of the task's own output."""
        self._write(output)
        ended, newline, rest = output.rpartition(b"\n")
        if newline:
            self._line = (self._unended + ended).rpartition(b"\n")[2]
            self._unended = rest
        elif len(self._unended) <= _LONGEST_LINE:
            self._unended += rest

    def last_line(self, encoding: str) -> str:
        """The last line of the task's output so far, as Airflow takes it: blank where it is blank.

        Raises TaskFailed where it is too long to be kept.
        """
        line = self._unended or self._line
        if len(line) > _LONGEST_LINE:
            raise TaskFailed(
                f"its last line is over {_LONGEST_LINE} bytes, too long to be kept for other tasks:"
                " write another one, or say do_xcom_push: false"
            )
        return line.decode(encoding, errors="backslashreplace").rstrip()

    def _write(self, data: bytes) -> None:
        with suppress(OSError):
            os.write(self._file.fileno(), data)


@contextmanager
def open_log(folder: Path, try_number: int) -> Iterator[TaskLog]:
    """Open the log of a try, to add to it. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{try_number}.log").open("ab", buffering=0) as file:
        yield TaskLog(file)
