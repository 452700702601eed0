"""Leader election: of all processes that share a database, one loads the DAG files.

The leader is the process whose connection holds an advisory lock. `windsock scheduler` and `windsock standalone` call
`keep_loading`, which waits for the lock and then runs a `DagLoader` for as long as it holds it.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

import asyncpg
import structlog

from server.database import statements
from server.database.connections import KEEPALIVE, SESSION_ERRORS, open_pool, with_session
from server.database.schema import SchemaError
from server.process.cancellation import pause
from server.process.loop import first_to_end
from server.standalone.dags.loader import DagLoader
from windsock.config import Config
from windsock.text import first_line

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_SQL = statements.load("sessions.sql")
LEADER_LOCK = 0x77690004
"""The leader's advisory lock; the scheduler's own locks have the numbers before it."""
_CONNECT_TIMEOUT = 5.0
# A leader that sends nothing for this many seconds loses the lock.
_SILENCE = 15.0


class Pace(NamedTuple):
    """How often a process tries, in seconds: to become the leader, after an error, and to read everything again."""

    poll: float = 1.0
    after_error: float = 5.0
    recheck: float = 10.0


_USUAL = Pace()


async def keep_loading(config: Config, loaded: asyncio.Event | None = None, pace: Pace = _USUAL) -> None:
    """Load the folder's files and watch them whenever this process is the leader, until cancelled.

    Two processes with different folders would undo each other's work for ever. `loaded` is set when the files have been
    loaded for the first time, or when another process does it.
    """
    loaded = loaded or asyncio.Event()
    while True:
        try:
            async with _leading(config, loaded, pace) as lost:
                await _load_until(lost, config, loaded, pace)
        except (SchemaError, *SESSION_ERRORS) as error:
            _log.warning("DAG files are not watched for the moment", error=first_line(error))
            await pause(pace.after_error)


@asynccontextmanager
async def _leading(config: Config, loaded: asyncio.Event, pace: Pace) -> AsyncIterator[asyncio.Event]:
    """Wait until this process is the leader; yields an event that is set when the lock is lost with its connection."""
    connection = await asyncpg.connect(**with_session(config.dsn, KEEPALIVE), timeout=_CONNECT_TIMEOUT)
    try:
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _connection: lost.set())
        await connection.execute(_SQL["end_when_silent"], str(round(_SILENCE * 1000)))
        # If a process is suspended between preparing a statement and running it, no time limit of Postgres applies:
        # what keeps the session alive is prepared before it has the lock.
        await _ping(connection)
        while not await _take_lock(connection):
            if not loaded.is_set():
                _log.info("another process loads the DAG files")
                loaded.set()
            await asyncio.sleep(pace.poll)
        pinging = asyncio.create_task(_keep_alive(connection, lost))
        try:
            yield lost
        finally:
            pinging.cancel()
    finally:
        connection.terminate()


async def _keep_alive(connection: asyncpg.Connection, lost: asyncio.Event) -> None:
    """Keep the session from being ended for its silence, until the connection is lost."""
    try:
        while not lost.is_set():
            await _ping(connection)
            await asyncio.sleep(_SILENCE / 5)
    except SESSION_ERRORS:
        lost.set()


async def _ping(connection: asyncpg.Connection) -> None:
    await connection.fetchval(_SQL["ping"], timeout=_CONNECT_TIMEOUT)


async def _take_lock(connection: asyncpg.Connection) -> bool:
    return bool(await connection.fetchval(_SQL["try_lock"], LEADER_LOCK, timeout=_CONNECT_TIMEOUT))


async def _load_until(lost: asyncio.Event, config: Config, loaded: asyncio.Event, pace: Pace) -> None:
    _log.info("this process loads the DAG files", folder=str(config.dags_folder))
    session = {**KEEPALIVE, "idle_in_transaction_session_timeout": "5s"}
    pool = await open_pool(dataclasses.replace(config, pool_min_size=0, pool_max_size=1), **session)
    try:
        async with DagLoader(
            pool,
            config.dags_folder,
            paused_at_creation=config.dags_are_paused_at_creation,
            ignore_syntax=config.dag_ignore_file_syntax,
            recheck=pace.recheck,
        ) as loader:
            await first_to_end(partial(loader.watch, loaded=loaded), partial(_fail_when, lost))
    finally:
        pool.terminate()


async def _fail_when(lost: asyncio.Event) -> None:
    await lost.wait()
    raise ConnectionError("the connection to the database is lost")
