"""Process groups: one a task, ended as a whole, and found again when the scheduler that began it is gone."""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from server.processes.spawn import ChildProcess

# In the environment of every process of a task, and of its children: whose they are.
MARKER = "WINDSOCK_TRY"
# How long to wait for what was killed, in seconds, and how often to look.
_PATIENCE = 5.0
_LOOK_AGAIN = 0.01


@cache
def death_with_parent() -> Sequence[str]:
    """What a command begins with that is to be killed when the scheduler is; nothing where there is no setpriv."""
    setpriv = shutil.which("setpriv")
    if not setpriv:
        return ()
    prefix = (setpriv, "--pdeathsig=KILL", "--")
    # A sandbox may forbid what it does.
    works = subprocess.run([*prefix, setpriv, "--version"], capture_output=True, check=False).returncode == 0  # noqa: S603
    return prefix if works else ()


async def end_group(process: ChildProcess, patience: float) -> None:
    """End a task and all its children: SIGTERM, and SIGKILL after `patience` seconds, or when this is cancelled."""
    signal_group(process.pid, signal.SIGTERM)
    try:
        with suppress(TimeoutError, ProcessLookupError, PermissionError):
            async with asyncio.timeout(patience):
                await process.wait()
                while True:
                    os.killpg(process.pid, 0)
                    await asyncio.sleep(_LOOK_AGAIN)
    finally:
        signal_group(process.pid, signal.SIGKILL)
    await process.wait()
    await clear_group(process.pid)


def signal_group(pid: int, number: int) -> None:
    """Send a signal to a group, if it is still there."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


async def clear_group(pid: int) -> None:
    """Kill what a process that failed has left of its group, and wait for its end: another try may follow at once."""
    end = time.monotonic() + _PATIENCE
    with suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < end:
            os.killpg(pid, signal.SIGKILL)
            await asyncio.sleep(_LOOK_AGAIN)


def kill_left(marks: Iterable[str], leaders: Iterable[int]) -> None:
    """Kill what is left of tries on this machine, group by group, and wait for its end.

    That is what has one of these marks, and, where the environment was cleared, what is in the session of one of these
    leaders that is gone.
    """
    wanted = frozenset(f"{MARKER}={mark}".encode() for mark in marks)
    gone = frozenset(leader for leader in leaders if not Path(f"/proc/{leader}").exists())
    end = time.monotonic() + _PATIENCE
    while (groups := _groups_left(wanted, gone)) and time.monotonic() < end:
        for group in groups:
            signal_group(group, signal.SIGKILL)
        time.sleep(_LOOK_AGAIN)


def _groups_left(marks: frozenset[bytes], leaders: frozenset[int]) -> set[int]:
    groups = set()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            pid = int(entry.name)
            if os.getsid(pid) in leaders or not marks.isdisjoint(Path(entry.path, "environ").read_bytes().split(b"\0")):
                groups.add(os.getpgid(pid))
    return groups - {os.getpgrp()}
