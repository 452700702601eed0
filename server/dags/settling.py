"""Whether somebody is in the middle of writing a file: half of one may be valid YAML, with half of its tasks."""

import fcntl
import signal
import time
from collections.abc import Mapping
from typing import NamedTuple

from server.dags.folder import Signature, open_regular

# A file that a process keeps open for writing counts all the same when nothing was written for so long, in seconds.
_KEPT_OPEN = 60.0


class Change(NamedTuple):
    """A file now, and as it was when it was read last; None where there is, or was, no such file."""

    now: Signature | None
    read: Signature | None


class Settling:
    """Remembers since when each changed file has been as it is. Wants to be asked several times a second."""

    def __init__(self, seconds: float) -> None:
        """`seconds`: how long nothing may have happened to a file before it counts."""
        self._seconds = seconds
        self._since: dict[str, tuple[Signature | None, float]] = {}
        self._asked = False

    def ready(self, changes: Mapping[str, Change]) -> set[str]:
        """Those of these files that count now, also those that are gone.

        A file that was renamed over another one counts at once, for whoever renames it has written it. At the start
        the clock says which files are old; later only what was seen counts, as clocks of file servers differ.
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
    """Whether another file was renamed over the one that was read: that changed it after its last byte was written.

    One that was deleted and is written anew is another inode too.
    """
    return read is not None and read.inode != now.inode and now.changed > now.modified


def _is_being_written(path: str) -> bool | None:
    """Whether a process has the file open for writing; None where the kernel does not say.

    It grants a lease for reading only where nobody writes (see fcntl(2)), to the owner of the file and to root. Who
    opens the file before the lease is given back, a moment later, waits for that.
    """
    try:
        with open_regular(path) as file:
            # The signal about such a writer: one that is ignored unless somebody wants it.
            fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False
