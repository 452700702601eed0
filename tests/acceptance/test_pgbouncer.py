"""deploy/pgbouncer/pgbouncer.ini between a real service and its Postgres.

Only the addresses, the port and the list of users are replaced.
"""

import asyncio
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from tests.acceptance.cli import on_database, windsock
from tests.acceptance.process import wait_until
from tests.acceptance.service import Service, free_port
from tests.receiver import SECRET, receiving
from tests.until import until

INI = Path("deploy/pgbouncer/pgbouncer.ini").read_text("utf-8")


class PgBouncer:
    """Runs the sample before the database of `dsn`, in a folder that others may read; its own DSN is `dsn`."""

    def __init__(self, folder: Path, dsn: str) -> None:
        port = free_port()
        self.folder = folder
        self.dsn = f"postgresql://windsock:secret@127.0.0.1:{port}/windsock"
        socket_dir = parse_qs(urlsplit(dsn).query)["host"][0]
        users = folder / "userlist.txt"
        users.write_text('"windsock" "secret"\n')
        text = INI
        for ours, theirs in {
            "host=127.0.0.1": f"host={socket_dir}",
            "dbname=windsock": f"dbname={urlsplit(dsn).path[1:]}",
            "listen_port = 6432": f"listen_port = {port}",
            "/etc/pgbouncer/userlist.txt": str(users),
        }.items():
            assert ours in text, ours
            text = text.replace(ours, theirs)
        (folder / "pgbouncer.ini").write_text(text)
        # It does not run as root: it must get at the file, and at the socket of a Postgres that runs as another user.
        for each in (Path(socket_dir), folder, *folder.parents):
            if each.is_relative_to("/tmp") and each != Path("/tmp"):  # noqa: S108 - where pytest's folders are
                each.chmod(each.stat().st_mode | 0o755)

    def start(self) -> None:
        """Start it, and wait until it listens."""
        log = (self.folder / "log").open("w")
        command = ["/usr/sbin/pgbouncer", "-u", "nobody", str(self.folder / "pgbouncer.ini")]
        with log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(lambda: "process up" in self.log or self.process.poll() is not None)
        assert self.process.poll() is None, self.log

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()

    @property
    def log(self) -> str:
        """What it wrote."""
        return (self.folder / "log").read_text()


@pytest.fixture
def pgbouncer(database: str, tmp_path: Path) -> Iterator[PgBouncer]:
    folder = tmp_path / "pgbouncer"
    folder.mkdir()
    one = PgBouncer(folder, database)
    one.start()
    yield one
    one.kill()


async def test_triggers_through_the_sample(database: str, pgbouncer: PgBouncer, tmp_path: Path) -> None:
    """All of many triggers at a time are there; while PgBouncer is away callers get 503, and it is found again."""
    conn = await asyncpg.connect(database)
    await conn.execute("INSERT INTO dag (dag_id, is_active, is_paused, is_subdag) VALUES ('d', true, false, false)")
    with Service(pgbouncer.dsn, tmp_path, workers="2", pgbouncer="True", acquire_timeout="2") as service:

        def trigger(number: int) -> int:
            date = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
            body = {"run_id": f"r{number}", "execution_date": date.isoformat()}
            return service.request("/api/experimental/dags/d/dag_runs", body)[0]

        statuses = await asyncio.gather(*(asyncio.to_thread(trigger, number) for number in range(100)))
        assert set(statuses) == {200}
        assert await conn.fetchval("SELECT count(DISTINCT run_id) FROM dag_run") == 100
        backends = await conn.fetchval("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        assert 1 < backends <= 21
        pgbouncer.kill()
        assert await asyncio.to_thread(trigger, 101) == 503
        pgbouncer.start()
        assert await asyncio.to_thread(trigger, 102) == 200
        assert (await asyncio.to_thread(service.admin, "/ready"))[0] == 200
    await conn.close()


async def test_ends_are_told_through_the_sample(database: str, pgbouncer: PgBouncer, tmp_path: Path) -> None:
    """By one of two workers, although no session lasts; and by either of them after PgBouncer was away."""
    conn = await asyncpg.connect(database)
    await conn.execute("INSERT INTO dag (dag_id, is_active, is_paused, is_subdag) VALUES ('d', true, false, false)")
    add = (
        "INSERT INTO dag_run (dag_id, run_id, execution_date, state, end_date)"
        " SELECT 'd', name, now() + random() * interval '1 year', 'success', now() FROM unnest($1::text[]) AS name"
    )
    options: dict[str, Any] = {"workers": "2", "pgbouncer": "True", "watch_interval": "0.2"}
    async with receiving() as told:
        service = Service(pgbouncer.dsn, tmp_path, **options, on_run_end_url=told.url, on_run_end_secret=SECRET)
        with service:
            noted = "SELECT EXISTS (SELECT FROM windsock_state)"
            await until(lambda: conn.fetchval(noted))
            names = [f"r{number}" for number in range(30)]
            await conn.execute(add, names)
            await until(lambda: len(told.came) >= 30)
            # Until it is noted, too.
            await asyncio.sleep(2)
            assert sorted(told.runs) == sorted(names)
            pgbouncer.kill()
            await conn.execute(add, ["while it was away"])
            pgbouncer.start()
            await until(lambda: told.runs[30:] == ["while it was away"])
    await conn.close()


async def test_a_restore_sees_the_api_behind_it(database: str, pgbouncer: PgBouncer, tmp_path: Path) -> None:
    """PgBouncer's connections bear the API's name until it is stopped."""
    file, env = str(tmp_path / "backup"), on_database(database)
    with Service(pgbouncer.dsn, tmp_path, pgbouncer="True") as service:
        assert (await asyncio.to_thread(service.request, "/api/experimental/pools"))[0] == 200
        assert (await windsock("db", "backup", file, **env)).code == 0
        done = await windsock("db", "restore", "--force", file, **env)
        assert (done.code, "Windsock uses this database" in done.err, "PgBouncer" in done.err) == (1, True, True)
    pgbouncer.kill()
    conn = await asyncpg.connect(database)
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    while await conn.fetchval(others):
        await asyncio.sleep(0.05)
    await conn.close()
    assert (await windsock("db", "restore", "--force", file, **env)).code == 0
