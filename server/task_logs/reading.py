"""Reads logs of tasks for others: which logs exist, and parts of them."""

import asyncio
import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from server.errors import Forbidden
from server.task_logs.opening import LEVELS, NoRegularFileError, names_of, open_to_read, remove_task_folders
from server.task_logs.writing import NoLogError, log_folder
from windsock.protocol import Code


class LogFile:
    """The open log of a try; `size` in bytes is that of the moment, because the log may grow."""

    def __init__(self, try_number: int, file: int) -> None:
        """`file` is a descriptor, which this object closes."""
        self.try_number = try_number
        self._file = file
        status = os.fstat(file)
        self.size = status.st_size
        self.modified = status.st_mtime_ns

    def read(self, start: int, size: int) -> bytes:
        """Read that many bytes from there on, fewer at the end. Raises OSError."""
        return os.pread(self._file, size, start)

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __del__(self) -> None:
        """Close a log whose reader left before it was sent."""
        self.close()


def tries(folder: Path) -> list[int]:
    """Return the tries that have a log, in order. Raises OSError."""
    try:
        names = names_of(folder)
    except FileNotFoundError:
        return []
    stems = (name.removesuffix(".log") for name in names if name.endswith(".log"))
    return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdecimal() and len(stem) < 10)  # noqa: PLR2004


def open_log_of(folder: Path, try_number: int | None = None) -> LogFile:
    """Open the log of a try, by default of the last one. Raises NoLogError, OSError."""
    known = tries(folder)
    wanted = try_number if try_number is not None else max(known, default=None)
    if wanted is None or wanted not in known:
        which = "of any try" if try_number is None else f"of try {try_number}"
        message = f"there is no log {which} on this machine"
        raise NoLogError(message)
    return LogFile(wanted, open_to_read(folder.parents[LEVELS - 1], *folder.parts[-LEVELS:], f"{wanted}.log"))


async def local_log(base: Path, dag_id: str, execution_date: datetime, task_id: str, try_number: int | None) -> LogFile:
    """Return the open log of a task instance that ran on this machine; the caller closes it.

    Raises NoLogError, whose message says why there is none, and Forbidden if the log may not be read.
    """
    with _explained(f"Task {task_id} at date {execution_date.isoformat()}"):
        folder = log_folder(base, dag_id, task_id, execution_date)
        return await asyncio.to_thread(open_log_of, folder, try_number)


class LogName(NamedTuple):
    """Where the log of a try may be: a path below the folder of logs, with slashes."""

    try_number: int
    path: str


async def airflow_log(base: Path, names: Sequence[LogName], where: str) -> LogFile:
    """Return the first of these logs of an Airflow that exists, opened; the caller closes it.

    Raises NoLogError, and Forbidden if what has that name is no log; their messages begin with `where`.
    """
    with _explained(where):
        try:
            return await asyncio.to_thread(_open_first, base, names)
        except PermissionError as error:
            message = "the server may not read its log"
            raise NoLogError(message) from error


def _open_first(base: Path, names: Sequence[LogName]) -> LogFile:
    for try_number, path in names:
        parts = path.split("/")
        if any(part in {"", ".", ".."} or "\0" in part for part in parts):
            raise NoRegularFileError(errno.EINVAL, "its name leads elsewhere")
        try:
            return LogFile(try_number, open_to_read(base, *parts))
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
    message = "there is no such log on this machine"
    raise NoLogError(message)


@contextmanager
def _explained(where: str) -> Iterator[None]:
    """Turn what goes wrong with a log into the errors that callers see."""
    try:
        yield
    except NoLogError as error:
        raise NoLogError(f"{where}: {error}") from error
    except FileNotFoundError as error:
        raise NoLogError(f"{where}: there is no such log on this machine") from error
    except NoRegularFileError as error:
        message = f"{where}: its log is not read: it should be a regular file below base_log_folder"
        raise Forbidden(message, code=Code.LOG_NOT_READABLE) from error
    except PermissionError as error:
        raise Forbidden(f"{where}: the server may not read its log", code=Code.LOG_NOT_READABLE) from error


def remove_logs(base: Path, runs: Iterable[tuple[str, datetime]]) -> int:
    """Remove the logs of all tasks in runs (dag_id, execution_date); return how many had some. Raises OSError."""
    removed = 0
    for dag_id, execution_date in runs:
        try:
            name = log_folder(base, dag_id, "any", execution_date).name
        except NoLogError:
            continue
        removed += remove_task_folders(base, dag_id, name)
    return removed
