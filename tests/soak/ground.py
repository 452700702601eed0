"""What is broken: a Postgres, the network between it and the service, and the service on a socket that outlives it."""

import asyncio
import contextlib
import itertools
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import bcrypt
import yaml

from server.database.schema import initdb
from server.standalone.dags.loader import DagLoader
from server.standalone.postgres import EmbeddedPostgres
from tests.acceptance.service import Service, activated
from tests.faults.parts import Network
from windsock.config import Dsn

DAGS = tuple(f"soak{number}" for number in range(8))
PAUSED = "pausing"
USER, PASSWORD = "ann", "right-password"
TASK_DATE = "2019-01-01T00:00:00+00:00"
WORKERS = 2
_CONNECTIONS = {"max_connections": "30", "shared_buffers": "32MB"}
_OPTIONS = {
    "workers": str(WORKERS),
    "auth_backend": "password_auth",
    "secret_key": "a-key-that-outlives-restarts",
    "acquire_timeout": "2",
    "statement_timeout": "5",
    "body_timeout": "5",
    "keepalive_timeout": "5",
    "pool_max_size": "5",
    "log_level": "WARNING",
}
_SEED = f"""
INSERT INTO task_instance (task_id, dag_id, execution_date, state, pool)
    SELECT 'work', dag_id, '{TASK_DATE}', 'success', 'default_pool' FROM dag;
INSERT INTO dag_run (dag_id, execution_date, run_id, state, external_trigger)
    SELECT dag_id, '{TASK_DATE}', 'first', 'success', true FROM dag
"""
_USER = "INSERT INTO users (username, email, password, superuser) VALUES ($1, 'ann@example.org', $2, true)"


class Ground:
    """All the parts, running."""

    def __init__(self, folder: Path, postgres: EmbeddedPostgres, network: Network, sock: socket.socket) -> None:
        self.folder = folder
        self.postgres = postgres
        self.network = network
        self.far = ""
        self.service: Service
        self._sock = sock
        self._starts = itertools.count(1)

    @property
    def port(self) -> int:
        """Where the service listens, always."""
        port: int = self._sock.getsockname()[1]
        return port

    async def start_service(self) -> None:
        """Start the service on the kept socket."""
        folder = self.folder / f"service-{next(self._starts)}"
        folder.mkdir()
        # The line that says that it serves is of the level INFO.
        options: dict[str, Any] = {**_OPTIONS, "log_level": "INFO", **activated(self._sock.fileno())}
        self.service = Service(f"postgresql://windsock@/postgres?host={self.far}", folder, port=self.port, **options)
        await asyncio.to_thread(self.service.__enter__)

    async def stop_service(self) -> int:
        """End the service as an operator does; its exit status."""
        self.service.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.service.process.wait, 60)

    async def connect(self) -> asyncpg.Connection:
        """A connection of the soak's own, not through the network."""
        return await asyncpg.connect(self.postgres.dsn)


@asynccontextmanager
async def ground(folder: Path) -> AsyncIterator[Ground]:
    """Start all the parts in an empty folder, and stop them."""
    (folder / "cluster").mkdir()
    postgres = EmbeddedPostgres(folder / "cluster", settings=_CONNECTIONS)
    await postgres.start()
    network = Network(f"{postgres._socket_dir}/.s.PGSQL.5432")
    far = Path(f"{postgres._socket_dir}/far")
    far.mkdir()
    try:
        await initdb(Dsn.parse(postgres.dsn))
        with socket.create_server(("127.0.0.1", 0), backlog=512) as sock:
            one = Ground(folder, postgres, network, sock)
            one.far = str(far)
            await _seed(one)
            async with await asyncio.start_unix_server(network.accept, far / ".s.PGSQL.5432"):
                await one.start_service()
                try:
                    yield one
                finally:
                    with contextlib.suppress(AttributeError):
                        one.service.__exit__(None, None, None)
                    network.break_all()
    finally:
        await postgres.stop()


async def _seed(one: Ground) -> None:
    # A cheap hash: wrong passwords are to be many, not to heat the room.
    stored = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    dags = one.folder / "dags"
    dags.mkdir()
    task = {"operator": "airflow.operators.empty.EmptyOperator"}
    dag = {"schedule": None, "default_args": {"start_date": "2018-01-01"}, "tasks": {"work": task}}
    (dags / "dags.yaml").write_text(yaml.safe_dump(dict.fromkeys([*DAGS, PAUSED], dag)))
    async with asyncpg.create_pool(one.postgres.dsn, min_size=1) as pool:
        async with DagLoader(pool, dags, paused_at_creation=False, settle=0) as loader:
            loaded = await loader.load_once()
        assert not loaded.errors, loaded.errors
        await pool.execute(_SEED)
        await pool.execute(_USER, USER, stored)
