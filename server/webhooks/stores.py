"""Where it is written down which ends were told: in a standalone database itself, or in a file beside an Airflow."""

import asyncio
import os
from pathlib import Path
from typing import Protocol

from server.database.run_ends import RunEnds
from server.errors import StartupError

_LARGEST = 2**26


class Store(Protocol):
    """One text, in UTF-8."""

    async def load(self) -> bytes | None:
        """Return the text; None if there is none."""

    async def save(self, text: bytes) -> None:
        """Replace the text."""


class FileStore:
    """A file. It is replaced as a whole, so that it is complete at every moment."""

    def __init__(self, path: Path) -> None:
        """Use the file at `path`. Raises StartupError if it cannot be written there."""
        self._path, self._new = path, path.with_name(f"{path.name}.{os.getpid()}.new")
        if path.exists() and not path.is_file():
            raise StartupError(
                f"{path} is no file; set [windsock] on_run_end_state to a file, or to where there is none"
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._new.touch(mode=0o600)
            self._new.unlink()
        except OSError as error:
            raise StartupError(
                f"cannot write to {path.parent}: {error.strerror}; set [windsock] on_run_end_state to a file in a"
                " folder to which this service may write"
            ) from error

    async def load(self) -> bytes | None:
        """Return what the file contains; None if it does not exist. Raises OSError."""
        return await asyncio.to_thread(self._read)

    async def save(self, text: bytes) -> None:
        """Replace the file. Raises OSError."""
        await asyncio.to_thread(self._write, text)

    def _read(self) -> bytes | None:
        try:
            with self._path.open("rb") as file:
                return file.read(_LARGEST)
        except FileNotFoundError:
            return None

    def _write(self, text: bytes) -> None:
        self._new.touch(mode=0o600)
        with self._new.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        self._new.replace(self._path)


def choose_store(run_ends: RunEnds, path: Path, *, standalone: bool) -> Store:
    """Return the place for this database. Raises StartupError if it is a file that cannot be written."""
    return run_ends if standalone else FileStore(path)
