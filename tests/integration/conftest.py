"""What many tests share: a Kerberos realm for the session, where a test asks for one, and a database with a DAG."""

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from tests.kerberos import Realm, running_realm


@pytest.fixture(scope="session")
def shared_realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    """Run a realm for the session."""
    with running_realm(tmp_path_factory.mktemp("realm")) as realm:
        yield realm


@pytest.fixture
def realm(shared_realm: Realm, monkeypatch: pytest.MonkeyPatch) -> Realm:
    """Let this process, client and server, use the realm."""
    for name, value in shared_realm.environment.items():
        monkeypatch.setenv(name, value)
    return shared_realm


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect to a database with a DAG."""
    made = await asyncpg.connect(database)
    await made.execute("INSERT INTO dag (dag_id, is_paused, is_active) VALUES ('d', false, true)")
    try:
        yield made
    finally:
        await made.close()
