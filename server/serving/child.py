"""One worker, as its parent sees it."""

import asyncio
import signal
import socket
from typing import Any

import msgspec

from server.errors import NoDatabase, StartupError
from server.metrics.snapshot import SchedulerFigures, Snapshot
from server.process.python_child import start_with
from server.process.spawn import ChildProcess
from server.serving.channel import LIMIT, Asker
from windsock.config import Config
from windsock.config.secrets import without_options

_END_TIMEOUT = 10.0


class Child:
    """A worker process; `snapshot` is the last one that it sent."""

    def __init__(self, process: ChildProcess, asker: Asker, config: Config) -> None:
        self.process = process
        self.asker = asker
        self.snapshot = Snapshot()
        self.stopping = False
        self._config = config
        self._started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._listening = asyncio.create_task(asker.listen(self._hear))

    @classmethod
    async def start(cls, config: Config, sock: socket.socket) -> "Child":
        """Start a worker on `sock`; it does not serve yet."""
        ours, theirs = socket.socketpair()
        numbers = sock.fileno(), theirs.fileno()
        with theirs:
            process = start_with(
                config, "server.serving.worker", *map(str, numbers), pass_fds=numbers, env=without_options()
            )
        reader, writer = await asyncio.open_connection(sock=ours, limit=LIMIT)
        return cls(process, Asker(reader, writer), config)

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    async def started(self) -> str:
        """Return the URL that it serves, once it does; raises StartupError if it ends before."""
        ended = asyncio.create_task(self.process.wait())
        try:
            first: list[asyncio.Future[Any]] = [ended, self._started]
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if not self._started.done():
                # Its last message may still be on its way.
                await asyncio.wait({self._listening}, timeout=_END_TIMEOUT)
            if not self._started.done():
                raise StartupError(f"a worker ended with status {self.process.returncode} before it served")
            return self._started.result()
        finally:
            ended.cancel()

    async def refresh(self, seconds: float) -> bool:
        """Fetch its figures; False if it does not answer in time."""
        try:
            answer = await self.asker.ask("snapshot", seconds)
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        self.snapshot = msgspec.json.decode(answer, type=Snapshot)
        return True

    async def problem(self, seconds: float) -> str | None:
        """Return the reason why it cannot serve, or None."""
        try:
            return msgspec.json.decode(await self.asker.ask("ready", seconds), type=str | None)
        except (ConnectionError, TimeoutError):
            return "a worker does not answer"

    async def scheduler(self, seconds: float) -> SchedulerFigures:
        """Return what the database says about its scheduler; empty figures if that is not known in time."""
        try:
            return msgspec.json.decode(await self.asker.ask("scheduler", seconds), type=SchedulerFigures)
        except (ConnectionError, TimeoutError, msgspec.DecodeError):
            return SchedulerFigures()

    async def stop(self) -> None:
        """Let it finish the requests under way and end; kill it if it does not."""
        self.stopping = True
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self._config.shutdown_timeout + _END_TIMEOUT):
                await self.process.wait()
        except TimeoutError:
            self.signal(signal.SIGKILL)
        await self.end()

    async def end(self) -> int:
        """Wait until it has ended; return its exit status."""
        status = await self.process.wait()
        await asyncio.wait({self._listening}, timeout=_END_TIMEOUT)
        self.asker.close()
        self._started.cancel()
        return status

    def signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        self.process.send_signal(number)

    def _hear(self, about: str, value: bytes) -> None:
        if about == "snapshot":
            self.snapshot = msgspec.json.decode(value, type=Snapshot)
        elif not self._started.done():
            text = msgspec.json.decode(value, type=str)
            if about == "started":
                self._started.set_result(text)
            else:
                self._started.set_exception(NoDatabase(text) if about == "unreachable" else StartupError(text))
