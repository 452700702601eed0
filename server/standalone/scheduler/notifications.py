"""The listener: the connection over which the database wakes this scheduler, and which holds the lock of its job.

As long as the lock is held, no other scheduler takes over its tasks; so each answer on this connection renews the
`lease`. `entry_point` runs it beside the `scheduler`.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import asyncpg
import structlog

from server.database.connections import KEEPALIVE, SESSION_ERRORS, with_session
from server.process.cancellation import pause
from server.standalone.scheduler.jobs import Jobs
from server.standalone.scheduler.lease import Lease
from windsock.config import Dsn

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_AGAIN = 0.2
_CHECK = 5.0


class Listener:
    """Listens, and holds the lock of the job, on one connection, which is opened again whenever it is lost."""

    def __init__(
        self,
        dsn: Dsn,
        jobs: Jobs,
        job_id: int,
        lease: Lease,
        channels: Mapping[str, Callable[[str], None]],
        connected: Callable[[], None],
    ) -> None:
        """`channels` says who gets the messages of each; `connected` is called when one may have been missed."""
        self._dsn = dsn
        self._jobs = jobs
        self._job_id = job_id
        self._lease = lease
        self._channels = channels
        self._connected = connected

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen()
            except SESSION_ERRORS as error:
                _log.debug("the listening connection is lost", reason=str(error) or type(error).__name__)
            except Exception:  # noqa: BLE001 - structlog's, which ruff does not know
                # Without this connection no task is started any more.
                _log.exception("the listening connection is lost")
            finally:
                self._lease.lose()
            await pause(_AGAIN)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(**with_session(self._dsn, KEEPALIVE), timeout=_CHECK)
        try:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _connection: lost.set())
            await self._hold(connection)
            for channel in self._channels:
                await connection.add_listener(channel, self._hear)
            self._connected()
            while not await _is_set(lost, min(self._lease.seconds / 4, _CHECK)):
                since = self._lease.now()
                await self._jobs.ping(connection, _CHECK)
                self._lease.renew(since)
        finally:
            connection.terminate()

    async def _hold(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Take the lock; Postgres releases it if this process goes silent."""
        await self._jobs.end_when_silent(connection, self._lease.seconds)
        # If a process is suspended between preparing a statement and running it, no time limit of Postgres applies:
        # what is sent while the lock is held is prepared before.
        await self._jobs.ping(connection, _CHECK)
        since = self._lease.now()
        if not await self._jobs.take_lock(connection, self._job_id):
            raise ConnectionError("another scheduler has the lock of this one")
        self._lease.renew(since)

    def _hear(self, _connection: Any, _pid: int, channel: str, payload: object) -> None:  # noqa: ANN401 - asyncpg's
        self._channels[channel](str(payload))


async def _is_set(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
