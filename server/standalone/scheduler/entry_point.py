"""The process `windsock scheduler`: puts the parts together, and begins and ends this scheduler's job."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

import structlog

from server.database import statements
from server.database.announcer import CHANNEL
from server.database.connections import KEEPALIVE, SESSION_ERRORS, Connections, no_database, open_pool
from server.database.database import Database
from server.database.held_run import STEERED_CHANNEL
from server.database.schema import check_schema
from server.errors import StartupError, Unavailable
from server.logs import setup_logs
from server.process.loop import Watcher, first_to_end, run, until_stopped
from server.process.privileges import hide_from_others
from server.standalone.dags.leader import keep_loading
from server.standalone.scheduler.jobs import Jobs
from server.standalone.scheduler.lease import Lease
from server.standalone.scheduler.notifications import Listener
from server.standalone.scheduler.scheduler import Scheduler
from server.standalone.scheduler.store import Store
from windsock.config import Config

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# After this time Postgres takes the locks of a process that is suspended inside of a transaction, or is gone.
_SESSION = {**KEEPALIVE, "idle_in_transaction_session_timeout": "5s"}


def run_scheduler(config: Config, *, with_parent: bool = False) -> None:
    """Load the DAG files and run what is triggered, until SIGTERM or SIGINT.

    `with_parent`: the process that started this one loads the files.
    Raises StartupError, and SchemaError for an Airflow's database.
    """
    hide_from_others()
    setup_logs(config.log_level, config.log_format)
    check_direct(config)
    if not with_parent:
        for warning in config.warnings:
            _log.warning(warning)
    work: list[Watcher] = [partial(schedule, config)]
    if not with_parent:
        work.append(partial(keep_loading, config))
    run(until_stopped(first_to_end(*work), "stopping: ending the tasks under way"))


def check_direct(config: Config) -> None:
    """Raise StartupError if the scheduler could neither listen nor hold its locks on this way to the database."""
    if config.pgbouncer:
        raise StartupError(
            "[windsock] pgbouncer: the scheduler needs Postgres itself, not PgBouncer;"
            " name it in sql_alchemy_conn and set pgbouncer = False"
        )


def load_statements() -> dict[str, str]:
    """Return the scheduler's statements by name."""
    return statements.load("fragments.sql", "sessions.sql", "scheduler.sql")


async def schedule(config: Config) -> None:
    """Run what is triggered until cancelled."""
    with _one_line(config):
        pool = await open_pool(config, **_SESSION)
    connections = Connections(pool, config.acquire_timeout)
    try:
        with _one_line(config):
            await check_schema(pool)
        await _schedule(config, Database(connections, load_statements()))
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await connections.close()
        pool.terminate()


@contextmanager
def _one_line(config: Config) -> Iterator[None]:
    try:
        yield
    except SESSION_ERRORS as error:
        raise no_database(config.dsn, error) from error


async def _schedule(config: Config, database: Database) -> None:
    store, jobs = Store(database), Jobs(database)
    job_id = await jobs.start(store.hostname, store.unixname)
    lease = Lease(config.scheduler_zombie_task_threshold)
    scheduler = Scheduler(store, jobs, config, job_id, lease)
    channels = {CHANNEL: scheduler.notified, STEERED_CHANNEL: scheduler.steered}
    listener = Listener(config.dsn, jobs, job_id, lease, channels, scheduler.look_everywhere)
    _log.info("the scheduler runs", job_id=job_id, parallelism=config.parallelism)
    listening = asyncio.create_task(listener.run())
    try:
        await scheduler.run()
    finally:
        listening.cancel()
        with suppress(Unavailable):
            await jobs.end(job_id, "success")
        _log.info("the scheduler has stopped", job_id=job_id)
