"""Loads the DAG files in only one process at a time, however many schedulers share the database."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import asyncpg
import structlog

from server.database import statements
from server.database.connections import KEEPALIVE, open_pool, with_session
from server.database.schema import SchemaError
from server.process.loop import first_to_end
from server.standalone.dags.loader import DagLoader
from windsock.config import Config
from windsock.text import first_line

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_SQL = statements.load("dags.sql")
# The advisory lock of the process that loads; the scheduler's own locks have the numbers before it.
_LOADER_LOCK = 0x77690004
_POLL = 1.0
_CONNECT_TIMEOUT = 5.0
_AFTER_ERROR = 5.0
# A process that sends nothing for this many seconds loses its turn.
_SILENCE = 15.0
_TROUBLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


async def keep_loading(config: Config, loaded: asyncio.Event | None = None) -> None:
    """Load the folder's files and watch them while no other process does so, until cancelled.

    Two processes with different folders would undo each other's work for ever. `loaded` is set when the files have been
    loaded for the first time, or when another process does it.
    """
    loaded = loaded or asyncio.Event()
    while True:
        try:
            async with _turn(config, loaded) as lost:
                await _load_until(lost, config, loaded)
        except (SchemaError, *_TROUBLE) as error:
            _log.warning("DAG files are not watched for the moment", error=first_line(error))
            await asyncio.sleep(_AFTER_ERROR)


@asynccontextmanager
async def _turn(config: Config, loaded: asyncio.Event) -> AsyncIterator[asyncio.Event]:
    """Wait until no other process loads; yields an event that is set when the connection, and so the lock, is lost."""
    connection = await asyncpg.connect(**with_session(config.dsn, KEEPALIVE), timeout=_CONNECT_TIMEOUT)
    try:
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _connection: lost.set())
        await connection.execute(_SQL["end_when_silent"], str(round(_SILENCE * 1000)))
        # If a process is suspended between preparing a statement and running it, no time limit of Postgres applies:
        # what keeps the turn is prepared before there is one.
        await connection.fetchval(_SQL["keep_turn"], timeout=_CONNECT_TIMEOUT)
        while not await _take(connection):
            if not loaded.is_set():
                _log.info("another process loads the DAG files")
                loaded.set()
            await asyncio.sleep(_POLL)
        keeping = asyncio.create_task(_keep(connection, lost))
        try:
            yield lost
        finally:
            keeping.cancel()
    finally:
        connection.terminate()


async def _keep(connection: asyncpg.Connection, lost: asyncio.Event) -> None:
    """Keep the turn, until the connection is lost."""
    try:
        while not lost.is_set():
            await connection.fetchval(_SQL["keep_turn"], timeout=_CONNECT_TIMEOUT)
            await asyncio.sleep(_SILENCE / 5)
    except _TROUBLE:
        lost.set()


async def _take(connection: asyncpg.Connection) -> bool:
    return bool(await connection.fetchval(_SQL["take_turn"], _LOADER_LOCK, timeout=_CONNECT_TIMEOUT))


async def _load_until(lost: asyncio.Event, config: Config, loaded: asyncio.Event) -> None:
    _log.info("this process loads the DAG files", folder=str(config.dags_folder))
    session = {**KEEPALIVE, "idle_in_transaction_session_timeout": "5s"}
    pool = await open_pool(dataclasses.replace(config, pool_min_size=0, pool_max_size=1), **session)
    try:
        async with DagLoader(
            pool,
            config.dags_folder,
            paused_at_creation=config.dags_are_paused_at_creation,
            ignore_syntax=config.dag_ignore_file_syntax,
        ) as loader:
            await first_to_end(partial(loader.watch, loaded=loaded), partial(_fail_when, lost))
    finally:
        pool.terminate()


async def _fail_when(lost: asyncio.Event) -> None:
    await lost.wait()
    raise ConnectionError("the connection to the database is lost")
