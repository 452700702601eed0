"""One worker process, as its parent sees it."""

import asyncio
import contextlib
import os
import signal
import socket
from subprocess import DEVNULL

from server.process.offload import work_loop
from server.process.python_child import start_module
from server.process.spawn import ChildProcess

# What Python needs to find its files; nothing secret.
_INHERITED = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "TZ")
_START_TIMEOUT = 60.0
# The event loop does other things between two parts of what is sent.
_PART = 2**18


class WorkerProcess:
    """A process that is running and ready for work."""

    def __init__(
        self, process: ChildProcess, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:  # fmt: skip
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls, module: str, memory: int) -> "WorkerProcess":
        """Start a process for the functions of `module`; raises OSError or TimeoutError if it does not start.

        It is a program of its own, not a fork: it has none of our memory, environment and descriptors.
        """
        env = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = start_module(
                    "server.process.offload", module, str(memory), stdin=theirs.fileno(), stdout=DEVNULL, env=env
                )
            except BaseException:
                ours.close()
                raise
        ours.setblocking(False)  # noqa: FBT003 - the socket's own signature
        worker = cls(process, *await asyncio.open_connection(sock=ours))
        try:
            async with asyncio.timeout(_START_TIMEOUT):
                await worker._answer()
        except BaseException:
            await worker.kill()
            raise
        return worker

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be asked: it has not ended and was not killed."""
        return self._process.returncode is None and not self._reader.at_eof()

    async def ask(self, function: str, argument: bytes) -> tuple[int, bytes]:
        """Have a piece of work done; return the outcome (see `work_loop`) and its data. Raises OSError, EOFError."""
        name = function.encode()
        self._writer.write(work_loop.REQUEST.pack(len(name), len(argument)) + name)
        for start in range(0, len(argument), _PART):
            self._writer.write(argument[start : start + _PART])
            await self._writer.drain()
        return await self._answer()

    async def kill(self) -> None:
        """Kill it, and wait until it is gone."""
        self._process.send_signal(signal.SIGKILL)
        self._writer.close()
        await self._process.wait()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _answer(self) -> tuple[int, bytes]:
        outcome, size = work_loop.ANSWER.unpack(await self._reader.readexactly(work_loop.ANSWER.size))
        if size > work_loop.LARGEST:
            raise ConnectionAbortedError("no answer is that large")
        if size <= _PART:
            return outcome, await self._reader.readexactly(size)
        parts = []
        while size:
            if not (part := await self._reader.read(min(size, _PART))):
                raise EOFError
            parts.append(part)
            size -= len(part)
        # In a thread: memory that was not touched before takes time, and joining releases Python's lock.
        return outcome, await asyncio.to_thread(b"".join, parts)
