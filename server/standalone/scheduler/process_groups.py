"""Process groups: one for each command of a task.

`run_command` ends a group as a whole; `reaper` finds and kills the groups that a dead scheduler left behind.
"""

import asyncio
import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from server.process.spawn import ChildProcess

# A variable in the environment of every process of a task, and of its children: it says which try they belong to.
MARKER = "WINDSOCK_TRY"
# The same for the processes of a callback.
CALLBACK_MARKER = "WINDSOCK_CALLBACK"
# How long to wait for killed processes, in seconds, and how often to check.
_PATIENCE = 5.0
_LOOK_AGAIN = 0.01


async def end_group(process: ChildProcess, patience: float) -> None:
    """End a task and all its children: SIGTERM, then SIGKILL after `patience` seconds or when this is cancelled."""
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
    """Send a signal to a group, if it still exists."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


async def clear_group(pid: int) -> None:
    """Kill the rest of a failed process's group, and wait until it has ended: another try may follow at once."""
    end = time.monotonic() + _PATIENCE
    with suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < end:
            os.killpg(pid, signal.SIGKILL)
            await asyncio.sleep(_LOOK_AGAIN)


def kill_left(marks: Iterable[str], leaders: Iterable[int] = (), marker: str = MARKER) -> None:
    """Kill what is left of tries or callbacks on this machine, group by group, and wait until it has ended.

    These are the processes with one of the marks in the variable `marker` and, because a process may have cleared its
    environment, those in the session of one of these leaders, if the leader is gone.
    """
    wanted = frozenset(f"{marker}={mark}".encode() for mark in marks)
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
