"""Real parts for all tests: a Postgres cluster for the session, a database for each test, servers on free ports."""

import asyncio
import itertools
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest
import structlog
from hypothesis import HealthCheck, settings

from server.database.schema import initdb
from server.standalone.postgres import EmbeddedPostgres
from tests.live import live_server
from tests.no_skips import pytest_make_collect_report, pytest_runtest_makereport
from windsock.config import Dsn

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]

pytest_plugins = ["pytester"]

# How quick the machine is says nothing about the code.
settings.register_profile("windsock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("windsock")

TEMPLATE = "template_windsock"
_counter = itertools.count(1)


@pytest.fixture(autouse=True)
def _no_configuration_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep away what the environment and the home folder of whoever runs the tests say."""
    for name in os.environ:
        if name.startswith(("AIRFLOW", "PG")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "no-airflow"))


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Keep what a test sets up for its logs from the tests after it, whichever they are."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """Start a cluster for the session (for each worker of pytest-xdist one).

    It is the embedded Postgres, or the one whose programs are in the folder `WINDSOCK_TEST_PG_BIN`.
    """
    named = os.environ.get("WINDSOCK_TEST_PG_BIN")
    # Nothing of it outlives the tests, so nothing waits for the disk.
    quick = {"fsync": "off", "full_page_writes": "off", "max_connections": "300"}
    server = EmbeddedPostgres(
        tmp_path_factory.mktemp("postgres"), binaries=Path(named) if named else None, settings=quick
    )
    with asyncio.Runner() as runner:
        runner.run(server.start())
        try:
            runner.run(_make_template(server))
            yield server
        finally:
            runner.run(server.stop())


async def _make_template(server: EmbeddedPostgres) -> None:
    await _run_sql(server.dsn, f"CREATE DATABASE {TEMPLATE}")
    await initdb(Dsn.parse(server.dsn_of(TEMPLATE)))


@pytest.fixture
async def database(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """Make a database with `schema.sql` applied; its DSN."""
    name = f"test_{next(_counter)}"
    await _run_sql(postgres.dsn, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    yield postgres.dsn_of(name)
    await _run_sql(postgres.dsn, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def empty_database(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """Make a database without any table; its DSN."""
    name = f"test_{next(_counter)}"
    await _run_sql(postgres.dsn, f"CREATE DATABASE {name}")
    yield postgres.dsn_of(name)
    await _run_sql(postgres.dsn, f"DROP DATABASE {name} WITH (FORCE)")


async def _run_sql(dsn: str, statement: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(statement)
    finally:
        await conn.close()


@pytest.fixture
def fast_path() -> str:
    """`[windsock] fast_path` of the servers; `tests.ways` has the fixture for both."""
    return "True"


@pytest.fixture
async def serve(database: str, fast_path: str) -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """Start servers on the test's database; `await start(rbac="True")`, with fields of `Config`, gives the URL."""
    async with AsyncExitStack() as stack:

        async def start(**options: object) -> str:
            return await stack.enter_async_context(live_server(database, **{"fast_path": fast_path, **options}))

        yield start
