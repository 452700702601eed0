"""Runs slow work in threads of its own, with a bounded queue that clients share fairly."""

import asyncio
import contextlib
import functools
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from server.auth.fair_queue import FairQueue, Full
from server.errors import Unavailable
from windsock.protocol import Code

Result = TypeVar("Result")
_NICENESS = 10


class Executor:
    """Runs functions in `threads` threads; at most `queue_limit` further ones wait, in a `FairQueue`."""

    def __init__(self, name: str, threads: int, queue_limit: int, *, nice: bool = False) -> None:
        """Start no thread yet; with `nice` the threads give way to everything else on the machine."""
        self._pool = ThreadPoolExecutor(threads, name, initializer=_give_way if nice else None)
        self._free = threads
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue(queue_limit)

    async def run(self, client: str, function: Callable[..., Result], *arguments: object) -> Result:
        """Run `function` in a thread and return its result.

        Raises Unavailable if there is no room for another call of this client, at once or while it waits.
        """
        if self._free:
            self._free -= 1
        else:
            await self._wait(client)
        loop = asyncio.get_running_loop()
        future = self._pool.submit(function, *arguments)
        future.add_done_callback(functools.partial(self._ended, loop, client, time.monotonic()))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Drop the calls that wait; those that run come to their end."""
        while (turn := self._waiting.get()) is not None:
            turn.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _wait(self, client: str) -> None:
        """Wait for a thread."""
        turn = asyncio.get_running_loop().create_future()
        try:
            displaced = self._waiting.put(client, turn)
        except Full:
            raise _busy() from None
        if displaced is not None and not displaced.done():
            displaced.set_exception(_busy())
        try:
            await turn
        except asyncio.CancelledError:
            self._waiting.remove(client, turn)
            if not turn.cancelled():
                # The thread was given to a caller that has left meanwhile.
                self._release()
            raise

    def _ended(
        self, loop: asyncio.AbstractEventLoop, client: str, start: float, _future: "Future[Result]"
    ) -> None:  # fmt: skip
        """Give the thread to the next call; this runs in the thread."""
        # If the loop is closed, nobody waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._pass_on, client, time.monotonic() - start)

    def _pass_on(self, client: str, seconds: float) -> None:
        self._waiting.charge(client, seconds)
        self._release()

    def _release(self) -> None:
        while (turn := self._waiting.get()) is not None:
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


def _busy() -> Unavailable:
    message = "Too many credentials are waiting to be verified; try again shortly"
    return Unavailable(message, code=Code.OVERLOADED)


def _give_way() -> None:
    # On Linux each thread has a niceness of its own; elsewhere this would slow the whole process.
    if os.uname().sysname == "Linux":
        # A sandbox may forbid this; then hashing works all the same.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
