"""Child processes that inherit only the descriptors that are passed to them.

asyncio's own are not used: under uvloop a child keeps every inheritable descriptor of its parent, and a second copy of
each one that it is given. A parent's descriptor may be secret, and a pipe that a process holds unknowingly never ends.
"""

import asyncio
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path


class ChildProcess:
    """A process that was started here. Several callers may wait for its end."""

    def __init__(self, popen: "subprocess.Popen[bytes]") -> None:
        self._popen = popen
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        try:
            self._pidfd = os.pidfd_open(popen.pid)
        except OSError:
            # A sandbox may not have pidfd_open (gVisor), and this process may have run out of descriptors.
            threading.Thread(target=self._wait_in_thread, daemon=True).start()
        else:
            self._loop.add_reader(self._pidfd, self._see_end)

    @property
    def pid(self) -> int:
        """The process id, which is also that of its own group and session."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, the negative number of the signal that ended it, or None while it runs."""
        return self._popen.poll()

    async def wait(self) -> int:
        """Wait until it has ended; return the exit status."""
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
            # The loop may be closed already.
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
    """Start a program in a session and group of its own. It has the descriptors 0, 1, 2 and `pass_fds`.

    `stdin`, `stdout` and `stderr` are as in `subprocess`, except PIPE. Raises OSError, ValueError.
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
