"""The metadata database: what handlers, the local client and `/health` call."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg

from server.errors import StartupError
from server.metadata import statements
from server.metadata.announcer import ANNOUNCES, Announcer
from server.metadata.connections import Connection, Connections, open_pool
from server.metadata.dag_runs import DagRuns
from server.metadata.dags import Dags
from server.metadata.database import Database
from server.metadata.decoder import Decoder
from server.metadata.generations import FILES, generation_of, reserved_types
from server.metadata.log import Log
from server.metadata.pools import Pools
from server.metadata.schema import SchemaError, check_schema
from server.metadata.settings import Settings
from server.metadata.task_instances import TaskInstances
from server.metadata.users import Users

if TYPE_CHECKING:
    from server.config import Config

# Without a heartbeat for this long Airflow calls a scheduler unhealthy (scheduler_health_check_threshold).
_HEARTBEAT_LIMIT = timedelta(seconds=30)


class Metadata:
    """Everything that the API knows, by resource."""

    def __init__(self, database: Database, settings: Settings, *, announces: bool = False) -> None:
        """Serve the API's questions from `database`; its sessions say whether they announce runs."""
        self._database = database
        self._settings = settings
        self.announcer = Announcer(database, active=announces and self.standalone)
        self.decoder = Decoder(cron_intervals=settings.cron_intervals)
        self.dags = Dags(database, settings, self.decoder)
        self.dag_runs = DagRuns(database, settings, self.dags, self.announcer)
        self.task_instances = TaskInstances(database, settings, self.dags, self.decoder)
        self.pools = Pools(database, settings)
        self.users = Users(database, settings)
        self.log = Log(database, settings)

    @property
    def standalone(self) -> bool:
        """Whether the database is Windsock's own, not an Airflow's."""
        return self._settings.standalone

    def pool_figures(self) -> tuple[int, int, int]:
        """How many connections are open, how many of these idle, and how many there may be."""
        return self._database.connections.figures()

    async def check(self) -> None:
        """Raise Unavailable, SchemaError or asyncpg.PostgresError unless requests can be served now."""
        async with self._database.connection() as connection:
            if self.standalone:
                await check_schema(connection)
        await self.scheduler_heartbeat()

    async def scheduler_heartbeat(self) -> tuple[datetime | None, bool]:
        """Time of a scheduler's newest heartbeat, and whether one is alive; raises Unavailable."""
        row = await self._database.fetchrow("latest_scheduler_heartbeat")
        if row is None or row["latest_heartbeat"] is None:
            return None, False
        recent = datetime.now(UTC) - row["latest_heartbeat"] < _HEARTBEAT_LIMIT
        return row["latest_heartbeat"], bool(row["running"] and recent)


@asynccontextmanager
async def open_metadata(config: "Config", *, announces: bool = False) -> AsyncIterator[Metadata]:
    """Connect as `config` says, find out whose database it is, and serve it until the block ends.

    A service that `announces` wakes schedulers after a run has been committed, not with it: who asks for one run and
    leaves should not. Raises StartupError when the database cannot be reached or is not one that Windsock can serve.
    """
    try:
        pool = await open_pool(config, **({ANNOUNCES: "on"} if announces else {}))
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = str(error) or "no answer in time"
        raise StartupError(f"cannot connect to {config.dsn.redacted()}: {reason}") from error
    connections = Connections(pool, config.acquire_timeout)
    try:
        settings, named = await _describe(pool, config)
        database = Database(connections, named, pgbouncer=config.pgbouncer)
        metadata = Metadata(database, settings, announces=announces and not config.pgbouncer)
        try:
            yield metadata
        finally:
            await metadata.decoder.close()
        await metadata.announcer.close()
    finally:
        await connections.close()


async def _describe(pool: "asyncpg.Pool[asyncpg.Record]", config: "Config") -> tuple[Settings, Mapping[str, str]]:
    """Find out what the database is like, and the statements that fit it."""
    try:
        async with pool.acquire() as connection, connection.transaction():
            generation, reserved, tables, columns = await _look(connection, allow_unknown=config.allow_unknown_airflow)
    except (SchemaError, StartupError, asyncpg.InsufficientPrivilegeError) as error:
        raise StartupError(f"{config.dsn.redacted()}: {error}") from error
    settings = Settings(
        generation=generation,
        tables=tables,
        graph_url=_graph_url(config, generation),
        pool_name_limit=50 if generation == 1 else 256,
        run_id_pattern=config.allowed_run_id_pattern,
        reserved_types=reserved,
        cron_intervals=config.create_cron_data_intervals,
        batch_size=config.batch_size,
        batch_in_flight=config.batch_in_flight,
        batch_queue_limit=config.batch_queue_limit,
    )
    return settings, statements.fit_all(statements.load(*FILES[generation]), columns)


async def _look(
    connection: Connection, *, allow_unknown: bool
) -> tuple[int, tuple[str, ...], frozenset[str], frozenset[str]]:
    """Find out the generation of a database, its reserved types of runs, its tables, its columns as `table.column`."""
    catalogue = statements.load("common.sql")
    tables = frozenset([row[0] for row in await connection.fetch(catalogue["tables"])])
    columns = frozenset([row[0] for row in await connection.fetch(catalogue["columns"])])
    if "alembic_version" not in tables:
        await check_schema(connection)
        return 1, (), tables, columns
    revisions = [row[0] for row in await connection.fetch(catalogue["revisions"])]
    generation = generation_of(revisions, columns, allow_unknown=allow_unknown)
    return generation, reserved_types(generation, revisions), tables, columns


def _graph_url(config: "Config", generation: int) -> str:
    """Start of `dag_run_url`: relative as Airflow serves it, or with its `base_url` if that is asked for."""
    base = config.base_url if config.absolute_urls else urlsplit(config.base_url).path
    if generation > 1:
        return f"{base.rstrip('/')}/dags/"
    path = "/graph" if config.rbac else "/admin/airflow/graph"
    return f"{base.rstrip('/')}{path}?dag_id="
