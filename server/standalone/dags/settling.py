"""Detects files that are still being written: half of a file may be valid YAML, with half of its tasks."""

import fcntl
import signal
import time
from collections.abc import Mapping
from typing import NamedTuple

from server.standalone.dags.folder import Signature, open_regular

# A file that a process keeps open for writing is read all the same after this many seconds without a change.
_KEPT_OPEN = 60.0


class Change(NamedTuple):
    """A file now, and as it was when it was read last; None if there is, or was, no such file."""

    now: Signature | None
    read: Signature | None


class Settling:
    """Remembers for how long each changed file has not changed again. Ask it several times a second."""

    def __init__(self, seconds: float) -> None:
        """`seconds`: for how long a file must not have changed before it is ready."""
        self._seconds = seconds
        self._since: dict[str, tuple[Signature | None, float]] = {}
        self._asked = False

    def ready(self, changes: Mapping[str, Change]) -> set[str]:
        """Return those of these files that are ready, including those that are gone.

        A file that was renamed over another one is ready at once, because it was written before. At the start the clock
        says which files are old; later only observed time counts, because the clocks of file servers differ.
        """
        now = time.monotonic()
        self._since = {path: (change.now, self._begin(path, change, now)) for path, change in changes.items()}
        self._asked = True
        return {path for path, change in changes.items() if self._counts(path, change, now - self._since[path][1])}

    def _begin(self, path: str, change: Change, now: float) -> float:
        before = self._since.get(path)
        if before is not None and before[0] == change.now:
            return before[1]
        if change.now is not None and not self._asked:
            return now - max(0.0, time.time() - max(change.now.modified, change.now.changed) / 1e9)
        return now

    def _counts(self, path: str, change: Change, age: float) -> bool:
        if change.now is None:
            return age >= self._seconds
        if age < self._seconds and not _was_renamed(change.read, change.now):
            return False
        written = _is_being_written(path)
        if written is None:
            return age >= self._seconds
        return not written or age >= _KEPT_OPEN


def _was_renamed(read: Signature | None, now: Signature) -> bool:
    """Whether another file was renamed over the one that was read: then it changed after its last byte was written.

    A file that was deleted and is written again has another inode too, but not that order of times.
    """
    return read is not None and read.inode != now.inode and now.changed > now.modified


def _is_being_written(path: str) -> bool | None:
    """Whether a process has the file open for writing; None if the kernel does not say.

    The kernel grants a read lease only while nobody writes (see fcntl(2)), and only to the owner of the file and to
    root. A process that opens the file must wait until the lease is given back a moment later.
    """
    try:
        with open_regular(path) as file:
            # The signal about such a process: one that is ignored by default.
            fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False
