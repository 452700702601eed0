"""The output of a task's processes: a pipe that is copied into the log as data comes.

The processes do not get the log itself: a command that opens /dev/stderr by its name would truncate it.
"""

import asyncio
import os
from contextlib import suppress
from types import TracebackType
from typing import Self

from server.task_logs.writing import TaskLog

_PORTION = 65536


class Output:
    """A pipe into a log, closed at the end of its block. `ended`: no process has it open any more.

    The log gets its first `most` bytes, None: all.
    """

    def __init__(self, log: TaskLog, most: int | None = None) -> None:
        self._log = log
        self._most = self._left = most
        self._full = False
        self.ended = asyncio.Event()

    def __enter__(self) -> Self:
        self._reading, self.writing = os.pipe()
        os.set_blocking(self._reading, False)
        asyncio.get_running_loop().add_reader(self._reading, self._copy)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self.ended.is_set():
            # The rest of what the processes wrote before they were killed: a pipe holds at most one portion.
            self._copy()
        asyncio.get_running_loop().remove_reader(self._reading)
        os.close(self._reading)

    def hand_over(self) -> None:
        """Leave the writing end to the processes, which have it by now."""
        os.close(self.writing)

    def _copy(self) -> None:
        data = b""
        with suppress(BlockingIOError):
            data = os.read(self._reading, _PORTION)
            if not data:
                self.ended.set()
                asyncio.get_running_loop().remove_reader(self._reading)
        self._keep(data)

    def _keep(self, data: bytes) -> None:
        if self._full:
            return
        kept = data[: self._left]
        self._log.add(kept)
        if self._left is not None:
            self._left -= len(kept)
        if len(kept) < len(data):
            self._full = True
            self._log.say(f"It printed more than {self._most} bytes: the rest is not kept")
