"""Windsock on every Postgres that this machine has beside the one of the other tests."""

import asyncio
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from server.database.schema import initdb
from server.standalone.clean import clean
from server.standalone.postgres import EmbeddedPostgres, find_binaries
from tests.integration.test_clean import NEW
from tests.live import live_server
from windsock.config import Dsn

_DEFAULT = find_binaries(Path("/nonexistent"))
OTHERS = sorted({*_DEFAULT.parents[1].glob("pginstall*/bin"), *Path("/usr/lib/postgresql").glob("*/bin")} - {_DEFAULT})


@pytest.mark.parametrize("binaries", OTHERS, ids=lambda path: f"{path.parts[-3]}-{path.parts[-2]}")
async def test_other_postgres(binaries: Path, tmp_path: Path) -> None:
    """Schema, triggers, duplicates, lists, pools and retention work as with the newest one."""
    server = EmbeddedPostgres(tmp_path, binaries=binaries)
    await server.start()
    try:
        dsn = Dsn.parse(server.dsn)
        await initdb(dsn)
        conn = await asyncpg.connect(server.dsn)
        await conn.execute("INSERT INTO dag (dag_id, is_active, is_paused, is_subdag) VALUES ('d', true, false, false)")
        await conn.close()
        async with live_server(server.dsn) as url, aiohttp.ClientSession(f"{url}/api/experimental/") as session:

            async def status(method: str, path: str, body: object = None) -> int:
                async with session.request(method, path, json=body) as response:
                    await response.read()
                    return response.status

            run = {"run_id": "a", "execution_date": "2025-01-01T00:00:00"}
            assert sorted(await asyncio.gather(*(status("POST", "dags/d/dag_runs", run) for _ in range(5)))) == [
                200, 400, 400, 400, 400,
            ]  # fmt: skip
            reads = ("dags/d/dag_runs", "dags/d/dag_runs/2025-01-01T00:00:00", "latest_runs", "pools", "dags")
            assert [await status("GET", path) for path in reads] == [200] * len(reads)
            assert await status("POST", "pools", {"name": "p", "slots": 3, "description": ""}) == 200
        assert (await clean(dsn, NEW, tmp_path / "logs"))["runs"] == 0
    finally:
        await server.stop()


def test_there_is_another_postgres() -> None:
    """The test above had something to do."""
    assert OTHERS
