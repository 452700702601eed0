"""Files below the folder of logs, opened in such a way that no link leads out of it.

Tasks may do what they like to these folders, at any moment, and whoever reads or removes logs may have rights that
tasks lack. So each folder is opened relative to the one before it, none may be a link, and the opened file is checked,
not its name.
"""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

# dag_id / task_id / execution_date, below the folder that the operator has configured.
LEVELS = 3
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: do not wait for the other end of a FIFO.
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class NoRegularFileError(OSError):
    """It is not a regular file below the folder of logs, or a link leads to it."""


@contextmanager
def open_folder(base: Path, *names: str, create: bool = False) -> Iterator[int]:
    """Open a folder below `base`, and with `create` make it if it is missing; yields its descriptor. Raises OSError."""
    if create:
        base.mkdir(parents=True, exist_ok=True)
    folder = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in names:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=folder)
            with _no_links():
                inner = os.open(name, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


@contextmanager
def open_to_write(folder: Path, name: str) -> Iterator[FileIO]:
    """Open a file in a task's folder for appending; both are made if they are missing. Raises OSError."""
    with _open_task_folder(folder, create=True) as descriptor, _no_links():
        file = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _FILE, 0o666, dir_fd=descriptor)
    with FileIO(file, "ab") as opened:
        _check_regular(os.fstat(file), os.geteuid())
        yield opened


def open_to_read(base: Path, *names: str) -> int:
    """Open a file below `base` by the names of its folders and its own; return its descriptor.

    Raises OSError, NoRegularFileError.
    """
    *folders, name = names
    with open_folder(base, *folders) as descriptor:
        with _no_links():
            file = os.open(name, os.O_RDONLY | _FILE, dir_fd=descriptor)
        try:
            _check_regular(os.fstat(file), os.fstat(descriptor).st_uid)
        except BaseException:
            os.close(file)
            raise
        return file


def names_of(folder: Path) -> list[str]:
    """Return the names in a task's folder. Raises OSError, NoRegularFileError."""
    with _open_task_folder(folder) as descriptor:
        return os.listdir(descriptor)  # noqa: PTH208 - a descriptor


def remove_task_folders(base: Path, dag_id: str, name: str) -> int:
    """Remove `base/dag_id/<any task>/name`; return how many there were. Link targets stay. Raises OSError."""
    removed = 0
    try:
        with open_folder(base, dag_id) as dag:
            for task_id in os.listdir(dag):  # noqa: PTH208 - a descriptor
                removed += _remove_folder(base, dag_id, task_id, name)
    except (FileNotFoundError, NoRegularFileError):
        return removed
    return removed


def _remove_folder(base: Path, dag_id: str, task_id: str, name: str) -> bool:
    try:
        with open_folder(base, dag_id, task_id) as task:
            status = os.stat(name, dir_fd=task, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                os.unlink(name, dir_fd=task)
            else:
                shutil.rmtree(name, dir_fd=task)
    except (FileNotFoundError, NoRegularFileError):
        return False
    except RecursionError as error:
        raise OSError(errno.ELOOP, "the folders are nested too deeply", str(base / dag_id / task_id / name)) from error
    except OSError as error:
        # The error names the file without its folder.
        error.filename = str(base / dag_id / task_id / name)
        raise
    return True


@contextmanager
def _open_task_folder(folder: Path, *, create: bool = False) -> Iterator[int]:
    with open_folder(folder.parents[LEVELS - 1], *folder.parts[-LEVELS:], create=create) as descriptor:
        yield descriptor


@contextmanager
def _no_links() -> Iterator[None]:
    """Raise NoRegularFileError for links and anything that is not a file or folder; other errors stay as they are."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.EISDIR}:
            raise NoRegularFileError(error.errno, "a link, or not a regular file or folder") from error
        raise


def _check_regular(status: os.stat_result, owner: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise NoRegularFileError(errno.EINVAL, "not a regular file")
    if status.st_nlink > 1 and status.st_uid != owner:
        # A hard link is a second name, perhaps of a file of the server's own, and the owner of the folder may have made
        # it.
        raise NoRegularFileError(errno.EPERM, "a hard link to a file of another user")
