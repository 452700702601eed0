"""The parent of the workers: it serves no requests itself; it keeps the workers alive and on the same configuration."""

import asyncio
import dataclasses
import logging
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from server.errors import StartupError
from server.logs import setup_logs
from server.metrics import snapshot
from server.metrics.exposition import Service
from server.metrics.snapshot import SchedulerFigures, Snapshot
from server.serving import outcome, systemd
from server.serving.child import Child
from server.serving.outcome import Outcome
from windsock.config import Config, ConfigError, check_exposure

logger = logging.getLogger(__name__)

_INTERVAL = 1.0
# A worker whose loop has been blocked for this long serves nobody.
_HUNG = 30.0
_SLOWEST_RESTART = 10.0
_ANSWER = 5.0
RESTART_NEEDED = ("host", "port", "admin_host", "admin_port")
"""Options that belong to the parent: a reload does not change them."""


class Supervisor:
    """Runs `config.workers` workers on `sock`; `read` reads the configuration again for a reload."""

    def __init__(self, config: Config, sock: socket.socket, read: Callable[[], Config]) -> None:
        self.config = config
        self._sock = sock
        self._read = read
        self._children: set[Child] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._gone = Snapshot()
        self._restarts = 0
        self._reloads: Counter[str] = Counter({"done": 0, "refused": 0})
        self._reloading = asyncio.Lock()
        self._since = time.time()
        self._stopping = False

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT; raises StartupError if the first workers cannot start."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._background(self.reload()))
        watchdog = asyncio.create_task(systemd.keep_watchdog())
        starting, stopped = asyncio.create_task(self._start_first()), asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                logger.info("serving", extra={"url": starting.result(), "workers": self.config.workers})
                systemd.notify("READY=1")
                await stopped
        finally:
            await self._end(starting, stopped)
            watchdog.cancel()

    async def reload(self) -> None:
        """Replace the workers with new ones, after reading the configuration again; on any error the old ones stay."""
        if self._stopping:
            return
        async with self._reloading:
            systemd.reloading()
            began = time.monotonic()
            old, refusal = set(self._children), ""
            try:
                # A program that prints an option may take some time, and this loop has a watchdog.
                config = self._keep_fixed(await asyncio.to_thread(self._read))
                check_exposure(config)
                await self._start(config, config.workers)
            except (ConfigError, StartupError) as error:
                self._reloads["refused"] += 1
                refusal = str(error)
                logger.error("reload refused, the old configuration stays: %s", error)  # noqa: TRY400 - no traceback
            else:
                self.config = config
                self._reloads["done"] += 1
                setup_logs(config.log_level, config.log_format)
                for warning in config.warnings:
                    logger.warning(warning)
                await asyncio.gather(*(child.stop() for child in old))
                logger.info("reloaded", extra={"workers": config.workers})
            systemd.notify("READY=1")
            outcome.write(Outcome(began, refusal))

    async def figures(self) -> tuple[Snapshot, Service]:
        """Return the figures of all workers."""
        await asyncio.gather(*(child.refresh(_ANSWER) for child in self._children))
        # All workers share the database, so one answer is enough.
        child = next(iter(self._children), None)
        scheduler = await child.scheduler(_ANSWER) if child else SchedulerFigures()
        # Workers that have ended meanwhile are counted with those that are gone.
        children = list(self._children)
        service = Service(len(children), self._restarts, self._reloads, self._since, scheduler)
        return snapshot.total([self._gone, *(child.snapshot for child in children)]), service

    async def problem(self) -> str | None:
        """Return the reason why the service cannot serve, or None."""
        children = [child for child in self._children if not child.stopping]
        problems = await asyncio.gather(*(child.problem(_ANSWER) for child in children))
        return next(filter(None, problems), None) if problems else "no worker runs"

    def _keep_fixed(self, config: Config) -> Config:
        """Keep what a reload cannot change, and log it."""
        fixed = {name: getattr(self.config, name) for name in RESTART_NEEDED}
        if changed := [name for name, value in fixed.items() if getattr(config, name) != value]:
            logger.warning("a change of %s needs a restart", ", ".join(changed))
        return dataclasses.replace(config, **fixed)

    async def _start_first(self) -> str:
        # A reload must wait meanwhile: it would have no workers to replace.
        async with self._reloading:
            return await self._start(self.config, self.config.workers)

    async def _start(self, config: Config, number: int) -> str:
        """Start workers and wait until they serve; return their URL. Raises StartupError if one cannot start."""
        children: list[Child] = []
        try:
            for _ in range(number):
                children.append(await Child.start(config, self._sock))  # noqa: PERF401 - those that started must end
            urls = await asyncio.gather(*(child.started() for child in children))
        except OSError as error:
            raise StartupError(f"cannot start a worker: {error}") from error
        except BaseException:
            # Some of them already serve.
            await asyncio.gather(*(child.stop() for child in children))
            raise
        for child in children:
            self._adopt(child)
        return urls[0]

    def _adopt(self, child: Child) -> None:
        self._children.add(child)
        self._background(self._outlive(child))
        self._background(self._watch(child))

    async def _outlive(self, child: Child) -> None:
        """Wait until the worker has ended, keep its counters, and start another one if it was not told to end."""
        status = await child.end()
        self._children.discard(child)
        self._gone = snapshot.total([self._gone, child.snapshot.counters_only()])
        if child.stopping:
            return
        self._restarts += 1
        logger.error("a worker ended by itself; starting another", extra={"worker": child.pid, "status": status})
        await self._replace()

    async def _replace(self) -> None:
        pause = _INTERVAL / 4
        while True:
            async with self._reloading:
                if len([child for child in self._children if not child.stopping]) >= self.config.workers:
                    return
                try:
                    await self._start(self.config, 1)
                except (ConfigError, StartupError) as error:
                    logger.error("a worker cannot start: %s", error)  # noqa: TRY400 - no traceback
                else:
                    return
            await asyncio.sleep(pause)
            pause = min(pause * 2, _SLOWEST_RESTART)

    async def _watch(self, child: Child) -> None:
        """The workers' watchdog: kill a worker whose loop does not turn. It does turn while the database is away."""
        while child.process.returncode is None:
            await asyncio.sleep(_INTERVAL)
            if not await child.refresh(_HUNG) and child.process.returncode is None and not child.stopping:
                logger.error("a worker hangs; it is killed", extra={"worker": child.pid})
                child.signal(signal.SIGKILL)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end(self, *tasks: "asyncio.Task[Any]") -> None:
        self._stopping = True
        systemd.notify("STOPPING=1")
        # New connections are refused from now on, instead of waiting on a socket that nobody accepts from.
        self._sock.close()
        # A reload that is under way ends first: the workers that it starts would outlive those that are stopped here.
        ending = {*tasks, *self._tasks}
        for task in ending:
            task.cancel()
        await asyncio.gather(asyncio.wait(ending), *(child.stop() for child in self._children))
