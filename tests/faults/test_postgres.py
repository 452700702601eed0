"""What Postgres may do to the service. Each time: what callers see, nothing answered is lost, it recovers by itself."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from server.process.privileges import other_user
from server.standalone.postgres import EmbeddedPostgres
from tests.acceptance.service import Service
from tests.faults.conftest import OPTIONS, SETTINGS, Victim
from tests.faults.parts import Network, signal_all

Fault = Callable[[], Awaitable[None]]


async def flooded(victim: Victim, fault: Fault, before: float = 0.7, after: float = 0.7) -> dict[int, int]:
    """What callers see who trigger before, during and after the fault."""
    stop = asyncio.Event()
    flood = asyncio.create_task(victim.flood(stop))
    await asyncio.sleep(before)
    await fault()
    await asyncio.sleep(after)
    stop.set()
    return await flood


async def test_killed(victim: Victim) -> None:
    """SIGKILL of the postmaster: 503 with Retry-After until it is back; committed triggers are all there."""

    async def kill() -> None:
        process = victim.postgres._process
        assert process is not None
        signal_all(victim.postgres, signal.SIGKILL)
        await process.wait()
        await asyncio.sleep(0.3)
        assert (await victim.get())[0] == 503
        assert victim.service.admin("/live")[0] == 200
        assert victim.service.admin("/ready")[0] == 503
        await victim.postgres._restart()

    seen = await flooded(victim, kill)
    assert set(seen) == {200, 503}
    await victim.recovers()
    metrics = victim.service.metrics()
    assert any(value for name, value in metrics.items() if name.startswith("windsock_database_errors_total"))
    assert metrics["windsock_worker_restarts_total"] == 0


async def test_restarted(victim: Victim) -> None:
    """A fast restart under load: 503 meanwhile, nothing else."""

    async def restart() -> None:
        process = victim.postgres._process
        assert process is not None
        process.send_signal(signal.SIGINT)
        await process.wait()
        await victim.postgres._launch()

    assert set(await flooded(victim, restart)) == {200, 503}
    await victim.recovers()


async def test_frozen(victim: Victim) -> None:
    """SIGSTOP: callers get 503 when their time is over, and `/test`, which needs no database, its answer at once."""

    async def freeze() -> None:
        signal_all(victim.postgres, signal.SIGSTOP)
        try:
            assert (await victim.get("/test", timeout=5))[0] == 200
            await asyncio.sleep(4)
            assert (await victim.get(timeout=15))[0] == 503
        finally:
            signal_all(victim.postgres, signal.SIGCONT)

    assert set(await flooded(victim, freeze)) == {200, 503}
    await victim.recovers()


@pytest.mark.parametrize("path", ["/dags/d/dag_runs", "/dags"])
async def test_frozen_at_once(victim: Victim, path: str) -> None:
    """A request waits for a frozen Postgres once, not again for the end of its statement."""
    assert (await victim.get(path))[0] == 200
    signal_all(victim.postgres, signal.SIGSTOP)
    start = time.monotonic()
    try:
        assert (await victim.get(path, timeout=15))[0] == 503
    finally:
        signal_all(victim.postgres, signal.SIGCONT)
    assert time.monotonic() - start < float(OPTIONS["statement_timeout"]) + float(OPTIONS["acquire_timeout"]) + 0.5
    await victim.recovers()


async def test_a_slow_statement_is_cancelled(victim: Victim) -> None:
    """Postgres does not go on with what nobody waits for any more."""
    conn = await asyncpg.connect(victim.postgres.dsn)
    await conn.execute(
        "ALTER TABLE slot_pool RENAME TO real_pool;"
        "CREATE VIEW slot_pool AS SELECT real_pool.* FROM real_pool, pg_sleep(60)"
    )
    assert (await victim.get("/pools"))[0] == 503
    running = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'windsock' AND state = 'active'"
    assert await conn.fetchval(running) == 0
    await conn.close()
    await victim.recovers()


async def test_out_of_connections(victim: Victim) -> None:
    """Others hold all connections: 503 as long as they do."""

    async def take_all() -> None:
        taken: list[asyncpg.Connection] = []
        try:
            first = await asyncpg.connect(victim.postgres.dsn)
            taken.append(first)
            ours = "pg_terminate_backend(pid)"
            while True:
                await first.execute(f"SELECT {ours} FROM pg_stat_activity WHERE application_name = 'windsock'")
                taken.append(await asyncpg.connect(victim.postgres.dsn))
        except asyncpg.TooManyConnectionsError:
            await first.execute(f"SELECT {ours} FROM pg_stat_activity WHERE application_name = 'windsock'")
            assert len(taken) > 20
            await asyncio.sleep(0.5)
        finally:
            for connection in taken:
                await connection.close()

    assert set(await flooded(victim, take_all)) == {200, 503}
    await victim.recovers()


async def test_read_only(victim: Victim) -> None:
    """A database that became a standby: triggers get 503, reads their answers."""

    async def read_only() -> None:
        conn = await asyncpg.connect(victim.postgres.dsn)
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'windsock'"
        await conn.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
        await conn.execute(cut)
        await asyncio.sleep(0.5)
        assert (await victim.get())[0] == 200
        await conn.execute("SET default_transaction_read_only = off")
        await conn.execute("ALTER DATABASE postgres RESET default_transaction_read_only")
        await conn.execute(cut)
        await conn.close()

    assert set(await flooded(victim, read_only)) == {200, 503}
    await victim.recovers()


async def test_backends_ended_in_the_middle_of_batches(victim: Victim) -> None:
    """pg_terminate_backend again and again: 503 for the requests of that batch, and no trigger twice."""

    async def terminate() -> None:
        conn = await asyncpg.connect(victim.postgres.dsn)
        for _ in range(30):
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'windsock'"
            await conn.execute(query)
            await asyncio.sleep(0.05)
        await conn.close()

    seen = await flooded(victim, terminate)
    assert set(seen) == {200, 503}
    await victim.recovers()


@asynccontextmanager
async def network(victim: Victim, folder: Path) -> AsyncIterator[tuple[Victim, Network]]:
    """The service, reaching its Postgres through a network that we rule."""
    between = Network(f"{victim.postgres._socket_dir}/.s.PGSQL.5432")
    socket_dir = Path(f"{victim.postgres._socket_dir}/far")
    socket_dir.mkdir()
    folder.mkdir()
    async with await asyncio.start_unix_server(between.accept, socket_dir / ".s.PGSQL.5432"):
        dsn = f"postgresql://windsock@/postgres?host={socket_dir}"
        starting = Service(dsn, folder, workers="1", **OPTIONS)
        service = await asyncio.to_thread(starting.__enter__)
        try:
            yield Victim(service, victim.postgres), between
        finally:
            service.__exit__(None, None, None)
            between.break_all()


async def test_slow_network(victim: Victim, tmp_path: Path) -> None:
    """Packets that take their time make answers slow, not wrong; concurrent requests share the wait."""
    async with network(victim, tmp_path / "far") as (far, between):

        async def slow() -> None:
            between.delay = 0.1
            await asyncio.sleep(2)
            between.delay = 0.0

        assert set(await flooded(far, slow)) == {200}
        await far.recovers()


async def test_cut_network(victim: Victim, tmp_path: Path) -> None:
    """Connections that break, and no way to new ones: 503 until the network is back."""
    async with network(victim, tmp_path / "far") as (far, between):

        async def cut() -> None:
            between.cut = True
            between.break_all()
            await asyncio.sleep(0.5)
            between.cut = False

        assert set(await flooded(far, cut)) == {200, 503}
        await far.recovers()


async def standby_of(primary: EmbeddedPostgres, folder: Path) -> EmbeddedPostgres:
    """A second cluster that follows the first one: what the first has committed, both have."""
    cluster = folder / "postgres"
    cluster.mkdir(mode=0o700, parents=True)
    if os.geteuid() == 0:
        os.chown(cluster, *other_user(cluster))
    source = ("-h", str(primary._socket_dir), "-p", "5432", "-U", "windsock", "-D", str(cluster), "-R", "-c", "fast")
    with (folder / "copying.log").open("wb") as log:
        copying = primary._spawn("pg_basebackup", *source, stdout=log.fileno())
    assert await copying.wait() == 0, (folder / "copying.log").read_text()
    standby = EmbeddedPostgres(folder, settings=SETTINGS)
    await standby.start()
    conn = await asyncpg.connect(primary.dsn)
    await conn.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
    await conn.execute("SELECT pg_reload_conf()")
    await conn.close()
    return standby


async def test_failover(victim: Victim, tmp_path: Path) -> None:
    """The primary dies and its standby takes over: 503 until then; the service finds the new primary by itself."""
    standby = await standby_of(victim.postgres, tmp_path / "standby")
    try:
        hosts = f"{victim.postgres._socket_dir},{standby._socket_dir}"
        dsn = f"postgresql://windsock@/postgres?host={hosts}&port=5432,5432&target_session_attrs=read-write"
        (tmp_path / "both").mkdir()
        with Service(dsn, tmp_path / "both", workers="2", **OPTIONS) as service:
            both = Victim(service, standby)

            async def fail_over() -> None:
                signal_all(victim.postgres, signal.SIGKILL)
                await asyncio.sleep(0.5)
                conn = await asyncpg.connect(standby.dsn)
                assert await conn.fetchval("SELECT pg_promote()")
                await conn.close()

            assert set(await flooded(both, fail_over, after=1.5)) == {200, 503}
            await both.recovers()
    finally:
        await standby.stop()
