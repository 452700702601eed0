"""Slow work in threads of its own, with a bounded queue."""

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from server.errors import Unavailable

Result = TypeVar("Result")
_NICENESS = 10


class Executor:
    """Runs functions in `threads` threads; further ones wait, at most `queue_limit` of them."""

    def __init__(self, name: str, threads: int, queue_limit: int, *, nice: bool = False) -> None:
        """Start no thread yet; `nice` threads give way to everything else on the machine."""
        self._pool = ThreadPoolExecutor(threads, name, initializer=_give_way if nice else None)
        self._limit = threads + queue_limit
        self._pending = 0

    @property
    def full(self) -> bool:
        """Whether there is no room for more."""
        return self._pending >= self._limit

    async def run(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Answer what `function` answers; raises Unavailable when the queue is full."""
        if self.full:
            raise Unavailable("Too many credentials are waiting to be verified; try again shortly")
        future = asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)
        self._pending += 1
        future.add_done_callback(self._done)
        return await future

    def close(self) -> None:
        """Drop what waits; what runs comes to its end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _done(self, _future: "asyncio.Future[Result]") -> None:
        self._pending -= 1


def _give_way() -> None:
    # On Linux a thread has a niceness of its own; elsewhere this would slow the whole process.
    if os.uname().sysname == "Linux":
        # A sandbox may forbid it; hashing must work all the same.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
