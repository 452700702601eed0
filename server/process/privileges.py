"""Privileges of processes: our own are hidden from tasks, and Postgres runs as another user than root."""

import ctypes
import os
import pwd
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from server.errors import StartupError
from server.process.parent_death import ending_with_us

# Postgres refuses to run as root, and another user may not see the project's folder (/root is closed to all others).
# So it gets one of root's rights, to pass folders. Without the securebit, access(2) would not honour that right.
_AS_OTHER_USER = (
    "--clear-groups",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
    "--securebits=+no_setuid_fixup",
)

# From <linux/prctl.h>.
_SET_DUMPABLE = 4


def hide_from_others() -> None:
    """Let only root read this process's environment, memory and descriptors: tasks of the same user could do it too.

    The process leaves no core dump either. Programs that it starts are not hidden.
    """
    ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def privileges(cluster: Path) -> Sequence[str]:
    """Return the prefix of a command of Postgres: as root it runs as another user; in any case it ends with us."""
    if os.geteuid() != 0:
        return ending_with_us(signal.SIGINT)
    uid, gid = other_user(cluster)
    prefix = ending_with_us(signal.SIGINT, f"--reuid={uid}", f"--regid={gid}", *_AS_OTHER_USER)
    if not prefix:
        raise StartupError("as root the embedded Postgres needs setpriv (util-linux); or run as an ordinary user")
    return prefix


def other_user(folder: Path) -> tuple[int, int]:
    """Return the user that runs Postgres if this process is root's: the owner of the data, at first `nobody`."""
    with suppress(FileNotFoundError):
        status = folder.stat()
        if status.st_uid != 0:
            return status.st_uid, status.st_gid
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid
