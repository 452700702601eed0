"""Temporary folders of tasks: all folders of a scheduler are in one, whose lock says that the scheduler lives."""

import asyncio
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

_PREFIX = "windsock-tasks-"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ATTEMPTS = 10


class Workspace:
    """The folder in which a scheduler's tasks have theirs; it is made when the first task needs it."""

    def __init__(self) -> None:
        self._root: Path | None = None
        self._lock = -1

    @asynccontextmanager
    async def folder(self) -> AsyncIterator[Path]:
        """Make an empty folder for the length of the block. Raises OSError."""
        path = Path(tempfile.mkdtemp(dir=self._open()))
        try:
            yield path
        finally:
            try:
                path.rmdir()  # noqa: ASYNC240 - one call
            except OSError:
                # A task may leave any number of files.
                await asyncio.to_thread(_remove, path)

    def close(self) -> None:
        """Remove whatever is left."""
        if self._root is not None:
            _remove(self._root)
            os.close(self._lock)
            self._root = None

    def _open(self) -> Path:
        if self._root is None or not self._root.is_dir():
            if self._root is not None:
                os.close(self._lock)
                self._root = None
            self._root, self._lock = _make_root()
        return self._root


def _make_root() -> tuple[Path, int]:
    for _ in range(_ATTEMPTS):
        path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        with suppress(OSError):
            lock = os.open(path, _FOLDER)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(lock), path.stat(follow_symlinks=False)):
                    return path, lock
            except OSError:
                # Another scheduler took it for an abandoned folder and removed it just before it was locked.
                os.close(lock)
                raise
            os.close(lock)
    message = f"no temporary folder can be kept in {tempfile.gettempdir()}"
    raise OSError(message)


def remove_left() -> int:
    """Remove the folders of killed schedulers; return how many. Those of live schedulers and other users stay."""
    base = os.open(tempfile.gettempdir(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        names = [entry.name for entry in os.scandir(base) if entry.name.startswith(_PREFIX)]
        return sum(_remove_if_left(base, name) for name in names)
    finally:
        os.close(base)


def _remove_if_left(base: int, name: str) -> bool:
    with suppress(OSError):
        lock = os.open(name, _FOLDER, dir_fd=base)
        try:
            if os.fstat(lock).st_uid == os.geteuid():
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(Path(tempfile.gettempdir(), name))
                return True
        finally:
            os.close(lock)
    return False


def _remove(path: Path) -> None:
    """Remove a folder without following links; what cannot be removed stays."""
    # A folder may be nested deeper than Python's stack.
    with suppress(RecursionError):
        shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        _open_up(path)
        with suppress(RecursionError):
            shutil.rmtree(path, ignore_errors=True)


def _open_up(path: Path) -> None:
    """Give the owner access to every folder, because some programs make theirs read-only."""
    with suppress(OSError, RecursionError):
        path.chmod(stat.S_IRWXU)
        for folder, names, _ in os.walk(path):
            for each in (Path(folder, name) for name in names):
                if not each.is_symlink():
                    each.chmod(stat.S_IRWXU)
