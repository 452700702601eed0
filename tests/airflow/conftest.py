"""Windsock beside real Airflows: each release has a database, a scheduler and a server for the length of its tests."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import asyncpg
import pytest

from server.standalone.postgres import EmbeddedPostgres
from tests.airflow.real import RealAirflow, find_python, install, until
from tests.airflow.releases import RELEASES, TRIED
from tests.live import live_server

_XCOM = {
    1: "SELECT convert_from(value, 'UTF8') FROM xcom WHERE dag_id = $1 AND execution_date = $2::timestamptz",
    2: "SELECT convert_from(value, 'UTF8')::json #>> '{}' FROM xcom WHERE dag_id = $1 AND run_id = $2",
    3: "SELECT value #>> '{}' FROM xcom WHERE dag_id = $1 AND run_id = $2",
}
CHOSEN = os.environ.get("WINDSOCK_AIRFLOWS", " ".join(TRIED)).split()


@dataclass
class Beside:
    """A real Airflow, Windsock beside it, and a connection to the database of both."""

    airflow: RealAirflow
    url: str
    http: aiohttp.ClientSession
    database: asyncpg.Connection
    warning: str | None = None

    @property
    def generation(self) -> int:
        """1, 2 or 3."""
        return self.airflow.generation

    @property
    def date(self) -> str:
        """Name of the column with a run's date."""
        return "execution_date" if self.generation < 3 else "logical_date"

    async def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Call the API; status and JSON."""
        async with self.http.request(method, f"{self.url}/api/experimental{path}", json=body) as answer:
            self.warning = answer.headers.get("X-Windsock-Warning")
            return answer.status, await answer.json(content_type=None)

    async def trigger(self, dag_id: str, **body: object) -> dict[str, Any]:
        """Trigger a DAG, which must succeed."""
        status, answer = await self.call("POST", f"/dags/{dag_id}/dag_runs", body)
        assert status == 200, answer
        result: dict[str, Any] = answer
        return result

    async def state(self, dag_id: str, date: str) -> str:
        """State of a run."""
        status, answer = await self.call("GET", f"/dags/{dag_id}/dag_runs/{quote(date)}")
        assert status == 200, answer
        state: str = answer["state"]
        return state

    async def finished(self, dag_id: str, date: str, state: str = "success") -> None:
        """Wait until a run has ended in this state; in another is a failure at once."""

        async def is_finished() -> bool:
            found = await self.state(dag_id, date)
            assert found == state or found not in {"success", "failed"}, found
            return found == state

        await until(is_finished, f"{dag_id} at {date} is {state}", 120, self.airflow)

    async def echoed(self, dag_id: str, made: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
        """The conf that the task `echo` saw of a run."""
        if self.generation == 1:
            text = await self.database.fetchval(_XCOM[1], dag_id, datetime.fromisoformat(made["execution_date"]))
            text = json.loads(text)
        else:
            text = await self.database.fetchval(_XCOM[self.generation], dag_id, made["run_id"])
        return json.loads(text)["conf"]


@pytest.fixture(scope="session", params=CHOSEN)
def real_airflow(
    request: pytest.FixtureRequest, postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealAirflow]:
    """Install, initialise and start a release; one at a time."""
    release = RELEASES[request.param]
    python = find_python(release)
    if python is None:
        pytest.skip(f"Airflow {release.version} needs Python {' or '.join(release.pythons)}")
    install(release, python)
    name = f"airflow_{release.version.replace('.', '_')}"
    asyncio.run(create_database(postgres.dsn, name))
    home: Path = tmp_path_factory.mktemp("airflow")
    airflow = RealAirflow(release, home, postgres.dsn_of(name))
    airflow.migrate()
    airflow.start()
    try:
        asyncio.run(airflow.until_parsed())
        yield airflow
    finally:
        airflow.stop()


@pytest.fixture
async def beside(real_airflow: RealAirflow) -> AsyncIterator[Beside]:
    """Serve that Airflow's database."""
    database = await asyncpg.connect(real_airflow.dsn)
    try:
        async with live_server(real_airflow.dsn) as url, aiohttp.ClientSession() as http:
            yield Beside(real_airflow, url, http, database)
    finally:
        await database.close()


@pytest.fixture
async def role(postgres: EmbeddedPostgres) -> str:
    """Make a role without any privilege."""
    conn = await asyncpg.connect(postgres.dsn)
    await conn.execute("DROP ROLE IF EXISTS ws_least; CREATE ROLE ws_least LOGIN")
    await conn.close()
    return "ws_least"


async def create_database(dsn: str, name: str) -> None:
    """Make a database on that cluster."""
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(f"CREATE DATABASE {name}")
    finally:
        await conn.close()
