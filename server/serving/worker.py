"""A worker: serves the API on the shared socket, and answers its parent's questions.

`python -m server.serving.worker <listening socket> <channel>`; both are numbers of inherited descriptors. Its
configuration comes from the parent, so a file that has changed meanwhile does not matter.
"""

import asyncio
import logging
import resource
import signal
import socket
import sys
from datetime import UTC, datetime

import asyncpg
from aiohttp import web

from server.api.resources import METADATA
from server.app import create_app
from server.database.schema import SchemaError
from server.errors import NoDatabase, StartupError, WindsockError
from server.logs import setup_logs
from server.metrics.snapshot import SchedulerFigures
from server.process.loop import run
from server.process.privileges import hide_from_others
from server.process.python_child import take_over
from server.serving import measuring
from server.serving.channel import LIMIT, Answerer
from server.serving.listener import serving_app
from windsock.config import Config, ConfigError

logger = logging.getLogger(__name__)


class _Worker:
    def __init__(self, config: Config, answerer: Answerer) -> None:
        self._app = create_app(config)
        self._config = config
        self._answerer = answerer

    async def serve(self, sock: socket.socket) -> None:
        """Serve until SIGTERM, or until the parent is gone."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        async def finish_at_sigterm(_app: web.Application) -> None:
            loop.add_signal_handler(signal.SIGTERM, stop.set)

        # Just before it accepts connections: a worker that still waits, perhaps for the database, has nothing to
        # finish.
        self._app.on_startup.append(finish_at_sigterm)
        listening = None
        try:
            async with serving_app(self._app, self._config, sock) as url:
                listening = asyncio.create_task(self._answerer.listen(self.answer))
                listening.add_done_callback(lambda _: stop.set())
                await self._answerer.tell("started", url)
                await stop.wait()
                logger.info("stopping: finishing the requests under way")
                await self._say_goodbye()
        finally:
            if listening:
                listening.cancel()

    async def answer(self, about: str) -> object:
        """Answer a question of the parent."""
        match about:
            case "snapshot":
                return measuring.take(self._app)
            case "scheduler":
                return await self._scheduler()
        return await self._problem()

    async def _scheduler(self) -> SchedulerFigures:
        """Return what the database says about its scheduler; empty figures if that is not known."""
        figures, metadata = SchedulerFigures(), self._app[METADATA]
        try:
            latest, _ = await metadata.scheduler_heartbeat()
            figures.heartbeat_age = (datetime.now(UTC) - latest).total_seconds() if latest else None
            figures.work = await metadata.scheduler.work()
        except (WindsockError, asyncpg.PostgresError) as error:
            logger.warning("the scheduler's figures cannot be read", extra={"reason": type(error).__name__})
        return figures

    async def _problem(self) -> str | None:
        """Return the reason why this worker cannot serve, or None."""
        try:
            await self._app[METADATA].check()
        except (SchemaError, WindsockError, asyncpg.PostgresError) as error:
            return str(error)
        return None

    async def _say_goodbye(self) -> None:
        try:
            await self._answerer.tell("snapshot", measuring.take(self._app))
        except ConnectionError:
            return


async def _main(config: Config, listening: int, channel: int) -> None:
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=channel), limit=LIMIT)
    setup_logs(config.log_level, config.log_format)
    answerer = Answerer(reader, writer)
    sock = socket.socket(fileno=listening)
    sock.setblocking(False)  # noqa: FBT003 - the socket's own signature
    try:
        await _Worker(config, answerer).serve(sock)
    except (ConfigError, StartupError) as error:
        await answerer.tell("unreachable" if isinstance(error, NoDatabase) else "failed", str(error))
        sys.exit(1)
    finally:
        writer.close()


def _use_all_descriptors() -> None:
    """Raise the soft limit (1024, for programs that use select(2)) to the hard limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    hide_from_others()
    _use_all_descriptors()
    # Ctrl-C in a terminal reaches all processes; the parent passes it on as SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    run(_main(take_over(), int(sys.argv[1]), int(sys.argv[2])))
