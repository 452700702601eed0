"""One browser of each kind and one service of each kind for all tests; each test has windows of its own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import asyncpg
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from server.auth import tokens
from server.standalone.postgres import EmbeddedPostgres
from tests.airflow.schemas import add_mapped, add_runs, generation_of
from tests.airflow.serving import prepare
from tests.integration.passwords import add_user
from tests.live import live_server
from tests.page import browsers
from tests.page.ground import Ground, fill, new_database, operations
from tests.page.hostile import hostile_service
from tests.page.windows import Windows

RELEASES = ("1.10.15", "2.10.5", "3.3.2")
PERMISSIONS = """
users:
  alice: Admin
  ann: Viewer
  bob: {role: User, dags: [import_*]}
  nobody: Public
"""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Run Debian's Chromium for all tests."""
    async with browsers.chromium() as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def firefox() -> AsyncIterator[Browser]:
    """Run Debian's Firefox ESR for all tests."""
    async with browsers.firefox() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def windows(chromium: Browser) -> AsyncIterator[Windows]:
    """Open windows in Chromium or another browser; in none of them may anything go wrong."""
    async with AsyncExitStack() as stack:
        made = Windows(chromium, stack)
        yield made
    assert made.faults == []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def ground(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """Serve DAGs to work with; a scheduler runs them."""
    async with new_database(postgres) as dsn, operations(dsn, tmp_path_factory.mktemp("ground")) as made:
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def crowd(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """Serve 1,000 DAGs, 1,000 runs of one and 200 tasks of another; the URL."""
    async with new_database(postgres) as dsn:
        await fill(dsn)
        async with live_server(dsn, page="True") as url:
            yield url


@dataclass(frozen=True)
class Guarded:
    """URLs of services on the database of `ground` that ask who calls; `token` is one of `by_token`."""

    by_password: str
    by_token: str
    closed: str
    token: str


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def guarded(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    """Serve the same DAGs to users with passwords, to those with tokens, and to nobody."""
    dsn, text = ground.bench.dsn, tokens.make()
    file = tmp_path_factory.mktemp("permissions") / "permissions.yaml"
    file.write_text(PERMISSIONS)
    for name in ("alice", "ann", "bob", "nobody"):
        await add_user(dsn, name)
    insert = "INSERT INTO windsock_token (name, digest, role) VALUES ('ci', $1, 'User')"
    await ground.bench.pool.execute(insert, tokens.digest(text))
    options = {
        "page": "True",
        "base_log_folder": str(ground.bench.log_folder),
        "authorization": "file",
        "permissions_file": str(file),
    }
    async with (
        live_server(dsn, auth_backend="password_auth", **options) as by_password,
        live_server(dsn, auth_backend="token_auth", **options) as by_token,
        live_server(dsn, auth_backend="deny_all", page="True") as closed,
    ):
        yield Guarded(by_password, by_token, closed, text)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hostile(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Serve a database in which every text tries to become markup; the URL."""
    async with new_database(postgres) as dsn, hostile_service(dsn, tmp_path_factory.mktemp("logs")) as url:
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=RELEASES)
async def beside(request: pytest.FixtureRequest, postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """Serve the tables of an Airflow, with the DAG `d` and its runs, to a role with the documented grants; the URL."""
    server = await asyncpg.connect(postgres.dsn)
    await server.execute("DROP ROLE IF EXISTS ws_page; CREATE ROLE ws_page LOGIN")
    await server.close()
    async with new_database(postgres, template=None) as dsn:
        served = await prepare(dsn, request.param, "ws_page")
        await add_runs(dsn)
        if generation_of(request.param) > 1:
            await add_mapped(dsn)
        async with live_server(served, page="True") as url:
            yield url
