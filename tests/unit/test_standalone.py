import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from server.errors import StartupError
from server.process.loop import first_to_end
from server.serving.standalone import read_config
from server.standalone.postgres import find_binaries
from server.standalone.scheduler.entry_point import check_direct
from windsock.config import Config


def read(**options: object) -> Config:
    """Read the configuration with these command line options."""
    given = {"host": None, "port": None, "data_dir": None, "dags_folder": None, **options}
    return read_config(**given)  # type: ignore[arg-type]


def test_its_own_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Data and DAGs are where it is started, and new DAGs run."""
    monkeypatch.chdir(tmp_path)
    config = read()
    assert (config.host, config.port) == ("127.0.0.1", 8080)
    assert (config.data_dir, config.dags_folder) == (tmp_path / ".windsock", tmp_path / "dags")
    assert not config.dags_are_paused_at_creation
    assert not config.dsn
    assert not config.warnings


def test_options_win(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command line wins over the environment; relative folders are where it is started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIRFLOW__WINDSOCK__PORT", "1")
    config = read(port=0, dags_folder=Path("mine"))
    assert (config.port, config.dags_folder) == (0, tmp_path / "mine")


def cfg(monkeypatch: pytest.MonkeyPatch, home: Path, core: str) -> None:
    """Write an airflow.cfg with these lines in [core]."""
    (home / "airflow.cfg").write_text(
        f"[core]\n{core}\n[webserver]\nweb_server_port = 1\n[windsock]\nbase_path = /w\n", encoding="utf-8"
    )
    monkeypatch.setenv("AIRFLOW_HOME", str(home))


@pytest.mark.parametrize("key", ["sql_alchemy_conn = postgresql://theirs/db", "sql_alchemy_conn_cmd = false"])
def test_of_an_airflows_file_only_our_section_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, key: str) -> None:
    """A file that names a database is an Airflow's; a warning says that most of it is not read."""
    cfg(monkeypatch, tmp_path, f"{key}\ndags_folder = /theirs\ndags_are_paused_at_creation = True")
    config = read()
    assert (config.port, config.base_path) == (8080, "/w")
    assert config.dags_folder != Path("/theirs")
    assert not config.dags_are_paused_at_creation
    assert not config.dsn
    assert str(tmp_path / "airflow.cfg") in config.warnings[0]


def test_a_file_without_a_database_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It was written for standalone, with the names that Airflow's users know."""
    cfg(monkeypatch, tmp_path, "dags_folder = /mine\ndags_are_paused_at_creation = True")
    config = read()
    assert (config.port, config.dags_folder) == (1, Path("/mine"))
    assert config.dags_are_paused_at_creation


def test_the_environment_counts_but_for_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set for this command is meant for it; a database never is."""
    monkeypatch.setenv("AIRFLOW__CORE__SQL_ALCHEMY_CONN", "postgresql://theirs/db")
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", "/mine")
    config = read()
    assert not config.dsn
    assert config.dags_folder == Path("/mine")


def test_a_scheduler_takes_no_pgbouncer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It could neither hear there nor hold its locks; whoever starts it learns that, and what to do."""
    monkeypatch.setenv("AIRFLOW__WINDSOCK__PGBOUNCER", "True")
    with pytest.raises(StartupError, match="needs Postgres itself"):
        check_direct(read())
    monkeypatch.setenv("AIRFLOW__WINDSOCK__PGBOUNCER", "False")
    check_direct(read())


def test_a_cluster_of_an_unknown_postgres_is_refused(tmp_path: Path) -> None:
    """Data of another release is not opened, and the message names both."""
    (tmp_path / "PG_VERSION").write_text("11\n")
    with pytest.raises(StartupError, match=r"Postgres 11; installed: \[16, 18\]"):
        find_binaries(tmp_path)


def test_a_cluster_keeps_its_release(tmp_path: Path) -> None:
    """The newest makes a cluster; one that is there is opened by the release that made it."""
    newest = find_binaries(tmp_path)
    (tmp_path / "PG_VERSION").write_text("16\n")
    assert newest != find_binaries(tmp_path)


async def test_what_one_watcher_raises_ends_the_others() -> None:
    """A Postgres that does not come back ends standalone."""
    ended = asyncio.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def fail() -> None:
        raise StartupError("no more")

    with pytest.raises(StartupError, match="no more"):
        await first_to_end(forever, fail)
    assert ended.is_set()


def test_help_imports_nothing_heavy() -> None:
    """`windsock --help` answers at once."""
    code = "import sys, windsock.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"aiohttp", "asyncio", "asyncpg", "pendulum", "structlog", "uvloop"}.intersection(loaded)
