"""Child processes that get the descriptors that are handed to them, and no other.

Not asyncio's own: under uvloop a child keeps whatever its parent can hand down, and a second copy of each descriptor
that it is given. What a parent has open may be a secret, and an output that a process holds without knowing never ends.
"""

import asyncio
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path


class ChildProcess:
    """A process that was started here. Several may wait for its end."""

    def __init__(self, popen: "subprocess.Popen[bytes]") -> None:
        self._popen = popen
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        try:
            self._pidfd = os.pidfd_open(popen.pid)
        except OSError:
            # A sandbox may not know it (gVisor), and a process may have no descriptor left.
            threading.Thread(target=self._wait_in_thread, daemon=True).start()
        else:
            self._loop.add_reader(self._pidfd, self._see_end)

    @property
    def pid(self) -> int:
        """Number of the process, which leads its own group and session."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """Exit status, the negative signal where one ended it, None while it runs."""
        return self._popen.returncode

    async def wait(self) -> int:
        """Wait for its end; the exit status."""
        await self._ended.wait()
        return self._popen.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            self._popen.send_signal(number)

    def _see_end(self) -> None:
        if self._popen.poll() is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._ended.set()

    def _wait_in_thread(self) -> None:
        self._popen.wait()
        with suppress(RuntimeError):
            # The loop may be closed by now.
            self._loop.call_soon_threadsafe(self._ended.set)


def spawn(
    arguments: Sequence[str],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int | None = None,
    stderr: int | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    pass_fds: Sequence[int] = (),
) -> ChildProcess:
    """Start a program in a session and group of its own. It has 0, 1, 2 and `pass_fds`.

    `stdin`, `stdout` and `stderr` are as `subprocess` has them, save PIPE. Raises OSError, ValueError.
    """
    popen = subprocess.Popen(  # noqa: S603 - whoever calls says what is run
        arguments,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=env,
        cwd=cwd,
        pass_fds=pass_fds,
        start_new_session=True,
    )
    return ChildProcess(popen)
