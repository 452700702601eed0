"""The file of a backup: it is complete or not there at all, and only its owner can read it."""

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from server.backup.database import BackupError

STANDARD = "-"


@contextmanager
def written(file: str) -> Iterator[BinaryIO]:
    """Write to a temporary file and rename it at the end of the block; after an error there is no file.

    Its mode is 0600. `-` is stdout. Raises BackupError if `file` must not be replaced, and OSError.
    """
    if file == STANDARD:
        if sys.stdout.isatty():
            raise BackupError("a backup is not text for a terminal: name a file, or redirect stdout to one")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
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

    `-` is stdin. Raises OSError.
    """
    if file != STANDARD:
        with Path(file).open("rb") as stream:
            yield stream
        return
    if stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode):
        yield sys.stdin.buffer
        return
    with tempfile.TemporaryFile() as kept:
        shutil.copyfileobj(sys.stdin.buffer, kept)
        kept.flush()
        yield kept
