"""Processes that end when their parent does, however that ends: Linux then sends them a signal (PR_SET_PDEATHSIG).

The parent is the thread that started the process. Our processes start others from the thread of their event loop, which
lives as long as they do.
"""

import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from functools import cache

# From <linux/prctl.h>: the signal that a process gets when its parent ends.
_SET_DEATH_SIGNAL = 1


def end_with_parent(number: signal.Signals, parent: int | None = None) -> None:
    """Let this process get a signal when its parent ends; at once, if `parent` is given and has ended already."""
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, number)
    if parent is not None and os.getppid() != parent:
        signal.raise_signal(number)


def ending_with_us(number: signal.Signals, *options: str) -> Sequence[str]:
    """Return the prefix of a command that gets a signal when this process ends.

    It is a call of `setpriv`, which every Debian has, with further `options` for it. Without setpriv there is none, and
    where a sandbox forbids the signal, it is left out.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return ()
    death = f"--pdeathsig={number.name.removeprefix('SIG')}"
    if _works(setpriv, death):
        return (setpriv, *options, death, "--")
    return (setpriv, *options, "--") if options else ()


@cache
def _works(setpriv: str, option: str) -> bool:
    command = [setpriv, option, "--", setpriv, "--version"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603 - see above
