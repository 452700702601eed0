"""One browser of each kind and one service of each kind for all tests; each test has windows of its own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from server.standalone.postgres import EmbeddedPostgres
from tests.live import live_server
from tests.page import browsers
from tests.page.ground import Ground, fill, new_database, operations
from tests.page.windows import Windows


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
