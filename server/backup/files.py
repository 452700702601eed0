"""The file of a backup: it is there as a whole or not at all, and its owner alone can read it."""

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
    """Write a file beside its place and rename it at the end of the block; after an error there is none.

    Its mode is 0600. `-` is stdout. Raises BackupError for what no file can take the place of, and OSError.
    """
    if file == STANDARD:
        if sys.stdout.isatty():
            raise BackupError("a backup is no text for a terminal: name a file, or send stdout to one")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(file)
    if path.exists() and not path.is_file():
        raise BackupError(f"{file} is no regular file")
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
    """A new name is on the disk once its folder is (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def opened(file: str) -> Iterator[BinaryIO]:
    """Open a backup so that it can be read more than once; what comes through a pipe is kept in a temporary file.

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
