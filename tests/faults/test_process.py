"""What an operator and the machine may do to the processes, under load."""

import asyncio
import contextlib
import os
import resource
import signal
import socket
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.acceptance.process import is_running, wait_until
from tests.acceptance.service import Service, activated
from tests.faults.conftest import OPTIONS, Victim


async def test_sigterm_under_load(victim: Victim) -> None:
    """Every request that was accepted is answered; afterwards connections are refused, and nothing answered is lost."""
    stop = asyncio.Event()
    flood = asyncio.create_task(victim.flood(stop))
    await asyncio.sleep(1)
    victim.service.process.terminate()
    status = await asyncio.to_thread(victim.service.process.wait, 30)
    stop.set()
    seen = await flood
    assert status == 0
    assert set(seen) <= {0, 200}
    conn = await asyncpg.connect(victim.postgres.dsn)
    stored = [row[0] for row in await conn.fetch("SELECT run_id FROM dag_run")]
    await conn.close()
    # Also the other way round: what was done was answered, for nobody was cut off.
    assert set(stored) == victim.answered


async def test_rolling_reload_under_load(victim: Victim) -> None:
    """Three reloads in a row replace all workers without one failed request."""
    stop = asyncio.Event()
    flood = asyncio.create_task(victim.flood(stop))
    first = set(victim.service.workers())
    for _ in range(3):
        await asyncio.to_thread(victim.service.reload, '"reloaded"')
    stop.set()
    seen = await flood
    assert set(seen) == {200}
    assert not first & set(victim.service.workers())
    await victim.recovers()


@pytest.mark.slow
async def test_restarts_during_reloads_under_load(victim: Victim, tmp_path: Path) -> None:
    """A restart gives up a reload, at whatever moment of it: no request fails, and no worker outlives its parent."""
    (tmp_path / "restarted").mkdir()
    with socket.create_server(("127.0.0.1", 0), backlog=512) as sock:
        options: dict[str, Any] = {"workers": "2", **OPTIONS, **activated(sock.fileno())}
        other = Victim(
            Service(victim.postgres.dsn, tmp_path / "restarted", port=sock.getsockname()[1], **options),
            victim.postgres,
        )
        with other.service:
            stop = asyncio.Event()
            flood = asyncio.create_task(other.flood(stop))
            for moment in range(8):
                other.service.process.send_signal(signal.SIGHUP)
                await asyncio.sleep(0.2 + moment * 0.25)
                workers = other.service.workers()
                other.service.process.terminate()
                assert await asyncio.to_thread(other.service.process.wait, 30) == 0
                assert not any(map(is_running, workers))
                await asyncio.to_thread(other.service.__enter__)
            stop.set()
            assert set(await flood) == {200}
            await other.recovers()


async def test_worker_killed_under_load(victim: Victim) -> None:
    """SIGKILL of a worker breaks its connections alone; another one takes its place."""
    stop = asyncio.Event()
    flood = asyncio.create_task(victim.flood(stop))
    await asyncio.sleep(0.5)
    os.kill(victim.service.workers()[0], signal.SIGKILL)
    await asyncio.to_thread(wait_until, lambda: victim.service.metrics()["windsock_workers"] == 2)
    stop.set()
    assert set(await flood) <= {0, 200}
    await victim.recovers()


async def test_out_of_file_descriptors(victim: Victim) -> None:
    """Without descriptors new connections wait or are closed; no worker dies, and once there are some all is well."""
    workers = victim.service.workers()
    limits = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in workers}
    for pid in workers:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (30, limits[pid][1]))
    writers = []
    for _ in range(200):
        with contextlib.suppress(OSError):
            writers.append((await asyncio.open_connection("127.0.0.1", victim.service.port))[1])
    await asyncio.sleep(1)
    assert victim.service.admin("/live")[0] == 200
    for pid, limit in limits.items():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
    for writer in writers:
        writer.transport.abort()
    await victim.recovers()
    assert set(victim.service.workers()) == set(workers)
