"""A file that only its owner may read: checked before it is read, and replaced as a whole."""

import contextlib
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from server.errors import StartupError

_OTHERS = 0o077
_POLL = 0.05
_PATIENCE = 10.0
# A file that was changed a moment ago may change again without another time of its last change.
_SETTLED_NS = 2_000_000_000

Signature = tuple[int, ...]


class PrivateFileError(StartupError):
    """The file is not there, is not private or cannot be used; the message is one line for its user."""


class PrivateFile:
    """A file of mode 0600 of at most `limit` bytes."""

    def __init__(self, path: Path, limit: int, maker: str = "") -> None:
        """Name the file, and the command that makes it, for messages; this does not look at it."""
        self.path = path
        self._maker = maker
        self._limit = limit

    def read(self) -> tuple[bytes, Signature | None]:
        """Return what is in it, and a signature that is another one if the file changes; None if that is not certain.

        It is opened only once, so what was checked is what is read. Raises PrivateFileError.
        """
        with self._opened(os.O_RDONLY) as (descriptor, status):
            return self._content(descriptor), _signature(status)

    def signature(self) -> Signature | None:
        """Return what `read` would return besides; raises PrivateFileError."""
        with self._opened(os.O_RDONLY) as (_, status):
            return _signature(status)

    def update(self, change: Callable[[bytes], bytes], first: bytes) -> None:
        """Replace what is in the file by `change` of it, in one step, while nobody else does. Raises PrivateFileError.

        A file that does not exist begins with `first`. Whatever `change` raises leaves the file as it was.
        """
        try:
            self._create(first)
            with self._locked() as (descriptor, status):
                self._replace(change(self._content(descriptor)), status)
        except OSError as error:
            raise self._error(error.strerror or type(error).__name__) from error

    @contextlib.contextmanager
    def _opened(self, flags: int) -> Iterator[tuple[int, os.stat_result]]:
        try:
            # Without O_NONBLOCK a pipe in its place would hold the process.
            descriptor = os.open(self.path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError as error:
            made = f"; `{self._maker}` makes it" if self._maker else ""
            raise self._error(f"there is no such file{made}") from error
        except OSError as error:
            raise self._error(error.strerror or type(error).__name__) from error
        try:
            yield descriptor, self._checked(os.fstat(descriptor))
        finally:
            os.close(descriptor)

    def _checked(self, status: os.stat_result) -> os.stat_result:
        mode, me = stat.S_IMODE(status.st_mode), os.geteuid()
        if not stat.S_ISREG(status.st_mode):
            raise self._error("it is no regular file")
        if mode & _OTHERS:
            raise self._error(f"others may use it (mode {mode:04o}): chmod 600 {self.path}")
        if status.st_uid not in {0, me} and not self._belongs_to_folder(status):
            raise self._error(f"it belongs to the user with the id {status.st_uid}, and not to this one ({me}) or root")
        return status

    def _belongs_to_folder(self, status: os.stat_result) -> bool:
        """Whether root looks at the file of a service that runs as another user."""
        return os.geteuid() == 0 and status.st_uid == self.path.parent.stat().st_uid

    def _content(self, descriptor: int) -> bytes:
        with open(descriptor, "rb", closefd=False) as stream:
            content = stream.read(self._limit + 1)
        if len(content) > self._limit:
            raise self._error(f"it has more than {self._limit} bytes")
        return content

    def _create(self, first: bytes) -> None:
        """Make the file, complete and private from its first moment, unless it exists."""
        if os.path.lexists(self.path):
            return
        with self._temporary(first, self.path.parent.stat()) as temporary, contextlib.suppress(FileExistsError):
            self.path.hardlink_to(temporary)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[tuple[int, os.stat_result]]:
        """Lock the file itself: nobody who may not read it can hold up others."""
        until = time.monotonic() + _PATIENCE
        while True:
            if self.path.is_symlink():
                raise self._error("it is a symbolic link: name the file itself")
            with self._opened(os.O_RDONLY | os.O_NOFOLLOW) as (descriptor, status):
                # Whoever waited for the lock may have got that of a file that was replaced meanwhile.
                if _lock(descriptor) and os.path.samestat(status, self.path.stat()):
                    yield descriptor, status
                    return
            if time.monotonic() > until:
                raise self._error("another command is changing it; try again")
            time.sleep(_POLL)

    def _replace(self, content: bytes, like: os.stat_result) -> None:
        if len(content) > self._limit:
            raise self._error(f"it would have more than {self._limit} bytes")
        with self._temporary(content, like) as temporary:
            temporary.rename(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextlib.contextmanager
    def _temporary(self, content: bytes, like: os.stat_result) -> Iterator[Path]:
        """Write a new file beside it, with mode 0600; if root does that, for the owner of `like`."""
        descriptor, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                if os.geteuid() == 0:
                    os.fchown(descriptor, like.st_uid, like.st_gid)
                stream.write(content)
                stream.flush()
                os.fsync(descriptor)
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def _error(self, why: str) -> PrivateFileError:
        return PrivateFileError(f"{self.path}: {why}")


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _signature(status: os.stat_result) -> Signature | None:
    changed = max(status.st_mtime_ns, status.st_ctime_ns)
    if abs(time.time_ns() - changed) < _SETTLED_NS:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
