"""What the machine may do: its disk fills up, its clock jumps."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from tests.faults.conftest import Victim, a_victim
from tests.faults.test_postgres import flooded

FAKETIME = "/usr/lib/*/faketime/libfaketimeMT.so.1"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system that is soon full; below it a cluster's folder."""
    if os.getuid() != 0:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "pg"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs", folder], check=True)
    yield tmp_path
    subprocess.run(["umount", "--lazy", folder], check=True)


async def test_disk_full(small_disk: Path) -> None:
    """503 while Postgres cannot write, reads go on or say 503 too; with room again triggers work, and none is lost."""
    filler = small_disk / "pg" / "filler"

    async def fill(victim: Victim) -> None:
        await asyncio.to_thread(_fill, filler)
        async with asyncio.timeout(60), aiohttp.ClientSession() as session:
            number = 0
            while await victim.trigger(session, f"full-{number}") != 503:
                number += 1
        assert (await victim.get())[0] in {200, 503}
        assert (await asyncio.to_thread(victim.service.admin, "/live"))[0] == 200
        filler.unlink()
        # Without room for its log Postgres gives up; whoever runs it starts it again.
        if victim.postgres.pid is None:
            await victim.postgres._restart()

    settings = {"max_wal_size": "32MB", "min_wal_size": "32MB", "wal_recycle": "off"}
    async with a_victim(small_disk, settings=settings) as victim:
        assert set(await flooded(victim, lambda: fill(victim))) == {200, 503}
        await victim.recovers()
        assert victim.service.metrics()["windsock_worker_restarts_total"] == 0


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(2**16))
        except OSError:
            return


async def test_clock_jumps(tmp_path: Path) -> None:
    """A day on, a day back: no request fails, no worker is taken for hung; new dates are those of the clock."""
    (library,) = Path("/").glob(FAKETIME.removeprefix("/"))
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    env = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        # A clock that is set moves no timer.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    async with a_victim(tmp_path, env=env) as victim:

        async def jump() -> None:
            for days in (1, -1, 0):
                clock.write_text(f"{days * 86400:+}\n")
                await asyncio.sleep(0.5)
                assert abs(await _now(victim) - datetime.now(UTC) - timedelta(days=days)) < timedelta(minutes=1)
                assert (await asyncio.to_thread(victim.service.admin, "/ready"))[0] == 200

        assert set(await flooded(victim, jump)) == {200}
        await victim.recovers()
        assert victim.service.metrics()["windsock_worker_restarts_total"] == 0


async def _now(victim: Victim) -> datetime:
    """The date that a trigger without one gets."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{victim.service.url}/dags/d/dag_runs", json={}) as answer,
    ):
        return datetime.fromisoformat((await answer.json())["execution_date"])
