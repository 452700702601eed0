"""The file of a backup: it is complete or not there at all, and only its owner can read it."""

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from server.standalone.backup.checks import BackupError

STANDARD = "-"


@contextmanager
def written(file: str) -> Iterator[BinaryIO]:
    """Write to a temporary file and rename it at the end of the block; after an error there is no file.

    Its mode is 0600. `-` is stdout. Raises BackupError if `file` must not be replaced, or cannot be written.
    """
    with _one_line(f"cannot write {_shown(file, 'stdout')}"):
        if file == STANDARD:
            if sys.stdout.isatty():
                raise BackupError("a backup is not text for a terminal: name a file, or redirect stdout to one")
            # A copy of the descriptor: Python would flush stdout again at its end, and fail again.
            with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as stream:
                yield stream
            return
        path = Path(file)
        if path.exists() and not path.is_file():
            raise BackupError(f"{file} is not a regular file")
        descriptor, temporary = tempfile.mkstemp(prefix=".windsock-backup-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).replace(path)
            _sync_folder(path.parent)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def _sync_folder(folder: Path) -> None:
    """Sync the folder: only then is a new name on the disk (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def opened(file: str) -> Iterator[BinaryIO]:
    """Open a backup so that it can be read more than once; what comes through a pipe is copied to a temporary file.

    `-` is stdin. Raises BackupError for what cannot be read.
    """
    with ExitStack() as stack:
        with _one_line(f"cannot read {_shown(file, 'stdin')}"):
            if file == STANDARD and sys.stdin.isatty():
                raise BackupError("a terminal has no backup: name a file, or redirect stdin to one")
            descriptor = os.dup(sys.stdin.fileno()) if file == STANDARD else os.open(file, os.O_RDONLY)
            stream: BinaryIO = stack.enter_context(os.fdopen(descriptor, "rb"))
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                kept = stack.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(stream, kept)
                kept.flush()
                stream = kept
        yield stream


@contextmanager
def _one_line(what: str) -> Iterator[None]:
    """Raise a BackupError for an OSError, which names the file as the user does."""
    try:
        yield
    except OSError as error:
        raise BackupError(f"{what}: {error.strerror or error}") from error


def _shown(file: str, standard: str) -> str:
    return standard if file == STANDARD else file
