"""The connection that says that this scheduler lives, and over which the database wakes it."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import structlog

from server.config import Dsn
from server.scheduler.store import JOB_LOCK

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

CHANNEL = "windsock_runs"
_AGAIN = 0.2
_CHECK = 5.0
LOST = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Signs:
    """Listens, and holds the lock of the job, on one connection that is made again whenever it is lost."""

    def __init__(
        self, dsn: Dsn, hold: str, job_id: int, notified: Callable[[str], None], connected: Callable[[], None]
    ) -> None:
        """`hold` is the statement that takes the lock; `connected` is called when something may have been missed."""
        self._dsn = dsn
        self._hold = hold
        self._job_id = job_id
        self._notified = notified
        self._connected = connected

    async def keep(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen()
            except LOST as error:
                _log.debug("the listening connection is lost", reason=str(error) or type(error).__name__)
            await asyncio.sleep(_AGAIN)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(**self._dsn.connect_arguments(), timeout=_CHECK)
        try:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _connection: lost.set())
            await connection.add_listener(CHANNEL, self._hear)
            await connection.fetchval(self._hold, JOB_LOCK, self._job_id)
            self._connected()
            await lost.wait()
        finally:
            connection.terminate()

    def _hear(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:  # noqa: ANN401 - asyncpg's
        self._notified(str(payload))
