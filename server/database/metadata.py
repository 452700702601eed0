"""The metadata database, as handlers, the local client and `/health` use it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg

from server.database.airflow_logs import AirflowLogs
from server.database.announcer import ANNOUNCES, Announcer
from server.database.audit_log import Log
from server.database.catalogue import Catalogue, read_catalogue
from server.database.connections import UNREACHABLE, Connections, no_database, open_pool
from server.database.dag_list import DagList
from server.database.dag_runs import DagRuns
from server.database.dags import Dags
from server.database.database import Database
from server.database.decoder import Decoder
from server.database.details import Details
from server.database.generations import Generation
from server.database.grid import Grids
from server.database.import_errors import ImportErrors
from server.database.pools import Pools
from server.database.roles import Roles
from server.database.run_ends import RunEnds
from server.database.run_instances import RunInstances
from server.database.run_states import RunStates
from server.database.run_watch import RunWatch
from server.database.scheduler_health import Heartbeat, SchedulerHealth
from server.database.schedules import Schedules
from server.database.schema import SchemaError, check_schema
from server.database.settings import Settings
from server.database.steering import Steering
from server.database.task_instances import TaskInstances
from server.database.tokens import TokenTable
from server.database.users import Users
from server.database.waiting import Waiting
from server.database.watch import SchemaWatch
from server.errors import StartupError
from server.wire.shapes import Versions
from windsock.version import __version__

if TYPE_CHECKING:
    from windsock.config import Config


class Metadata:
    """All data of the API, by resource: `dags`, `dag_runs`, `task_instances`, `pools`, `users`, `roles`, `log`.

    After a migration of the database these attributes are new objects for its schema, so do not keep them.
    """

    def __init__(
        self, connections: Connections, config: "Config", found: Catalogue, *, announces: bool = False
    ) -> None:
        """Serve the database that was `found`; `announces` says whether its sessions announce runs themselves."""
        self._connections = connections
        self._config = config
        self._announces = announces
        self.decoder = Decoder(cron_intervals=config.create_cron_data_intervals)
        notices = config.dsn if found.revision is None and not config.pgbouncer else None
        self.run_watch = RunWatch(lambda: self._database, config.watch_interval, notices, config.event_streams)
        self.run_ends = RunEnds(lambda: self._database)
        self.watch = SchemaWatch(connections, found, self._serve, allow_unknown=config.allow_unknown_airflow)
        self._serve(found)

    def _serve(self, found: Catalogue) -> None:
        settings = _settings(self._config, found)
        database = Database(self._connections, found.statements, pgbouncer=self._config.pgbouncer, watch=self.watch)
        self._database = database
        self._settings = settings
        self.announcer = Announcer(database, active=self._announces and self.standalone)
        self.scheduler = SchedulerHealth(database)
        self.import_errors = ImportErrors(database)
        self.dags = Dags(database, settings, self.decoder, self.import_errors)
        self.dag_list = DagList(database, settings, self.dags.readable)
        self.dag_runs = DagRuns(database, settings, self.dags, self.announcer, self.scheduler)
        self.run_states = RunStates(database, settings, self.dags, self.run_watch)
        self.task_instances = TaskInstances(database, settings, self.dags, self.decoder)
        self.airflow_logs = AirflowLogs(database, settings, self.decoder, self._config)
        self.steering = Steering(database, settings, self.dags)
        self.waiting = Waiting(database, settings, self.scheduler)
        self.details = Details(database, settings, self.dags, self.decoder)
        self.schedules = Schedules(database, settings, self.dags, self.decoder)
        self.grids = Grids(database, settings, self.dags)
        self.run_instances = RunInstances(database, self.dags, self.waiting)
        self.pools = Pools(database, settings)
        self.users = Users(database, settings)
        self.roles = Roles(database, settings)
        self.tokens = TokenTable(database, settings)
        self.log = Log(database, settings)

    @property
    def standalone(self) -> bool:
        """Whether the database is Windsock's own, not an Airflow's."""
        return self._settings.standalone

    def pool_figures(self) -> tuple[int, int, int]:
        """Return how many connections are open, how many of these are idle, and how many there may be."""
        return self._connections.figures()

    async def check(self) -> None:
        """Raise Unavailable, SchemaError or asyncpg.PostgresError unless requests can be served now."""
        await self.watch.check()
        async with self._database.connection() as connection:
            if self.standalone:
                await check_schema(connection)
        await self.scheduler_heartbeat()

    async def versions(self) -> Versions:
        """Return the versions of the service, of the database, and of its schema; raises Unavailable."""
        row = await self._database.fetchrow("versions")
        revision = self._settings.revision
        return Versions(
            windsock=__version__,
            database=f"PostgreSQL {row['postgres']}" if row else "PostgreSQL",
            airflow=None if revision is None else self._settings.generation.releases.get(revision, "unknown"),
            schema=revision if row is None or revision is not None else row["schema"],
        )

    async def scheduler_heartbeat(self) -> Heartbeat:
        """Return the newest heartbeat of a scheduler, if the database can be served; raises Unavailable."""
        await self.watch.check()
        return await self.scheduler.heartbeat()


@asynccontextmanager
async def open_metadata(config: "Config", *, serving: bool = False) -> AsyncIterator[Metadata]:
    """Connect as `config` says, find out whose database it is, and serve it until the block ends.

    With `serving`, schedulers are woken after a run has been committed, not in its transaction; a caller that makes one
    run and ends should not do that. With `serving` it also goes on after a migration of the database; other callers
    open it again. Raises StartupError if the database cannot be reached or is not one that Windsock can serve.
    """
    try:
        pool = await open_pool(config, **({ANNOUNCES: "on"} if serving else {}))
    except UNREACHABLE as error:
        raise no_database(config.dsn, error) from error
    connections = Connections(pool, config.acquire_timeout)
    try:
        metadata = Metadata(connections, config, await _find(pool, config), announces=serving and not config.pgbouncer)
        watching = asyncio.create_task(metadata.watch.keep()) if serving else None
        try:
            yield metadata
        finally:
            if watching is not None:
                watching.cancel()
            await metadata.run_watch.close()
            await metadata.decoder.close()
        await metadata.announcer.close()
    finally:
        await connections.close()


async def _find(pool: "asyncpg.Pool[asyncpg.Record]", config: "Config") -> Catalogue:
    try:
        async with pool.acquire() as connection:
            return await read_catalogue(connection, allow_unknown=config.allow_unknown_airflow)
    except (SchemaError, StartupError, asyncpg.InsufficientPrivilegeError) as error:
        raise StartupError(f"{config.dsn.redacted()}: {error}") from error


def _settings(config: "Config", found: Catalogue) -> Settings:
    return Settings(
        generation=found.generation,
        revision=found.revision,
        tables=found.tables,
        log_style=found.generation.log_style(found.columns),
        graph_url=_graph_url(config, found.generation),
        run_id_pattern=config.allowed_run_id_pattern,
        reserved_types=found.reserved_types,
        allows_double_dots=config.allow_double_dot_in_ids or not found.refuses_double_dots,
        cron_intervals=config.create_cron_data_intervals,
        parallelism=config.parallelism,
        max_active_tasks=config.dag_concurrency,
        max_active_runs=config.max_active_runs_per_dag,
        catchup_by_default=config.catchup_by_default,
        task_instances=config.task_instances,
        batch_size=config.batch_size,
        batch_in_flight=config.batch_in_flight,
        batch_queue_limit=config.batch_queue_limit,
    )


def _graph_url(config: "Config", generation: Generation) -> str:
    """Return the start of `dag_run_url`: relative as Airflow serves it, or with its `base_url` if that is wanted."""
    base = config.base_url if config.absolute_urls else urlsplit(config.base_url).path
    return f"{base.rstrip('/')}{generation.graph_paths[config.rbac]}"
