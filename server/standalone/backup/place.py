"""Finds the database: the configured one, or the embedded one, whether it is running or not."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from server.standalone.backup.checks import BackupError
from server.standalone.postgres import DataFolderInUse, EmbeddedPostgres, dsn_of_running, exclusive
from windsock.config import Config, Dsn


@contextmanager
def reached(config: Config, data_dir: Path | None, *, alone: bool) -> Iterator[Dsn]:
    """Yield the DSN of the database. If the embedded one is not running, it runs for the length of the block.

    The embedded one is meant in three cases: `data_dir` is given; no database is configured (then it is the one in
    `config.data_dir`); or the configured one is that of a `windsock standalone`, as its `commands.cfg` says. With
    `alone` no `windsock standalone` may be running. Raises StartupError.
    """
    folder = data_dir or _embedded(config)
    if folder is None and config.pgbouncer:
        raise BackupError(
            "pg_dump and pg_restore need Postgres itself: set AIRFLOW__WINDSOCK__PGBOUNCER=False, and"
            " AIRFLOW__WINDSOCK__SQL_ALCHEMY_CONN to a URL of Postgres itself"
        )
    if folder is None:
        yield config.dsn
        return
    with ExitStack() as stack:
        try:
            # A new database is made only in a folder that was named, not in the current folder.
            _check(folder, may_be_new=alone and data_dir is not None)
            stack.enter_context(exclusive(folder))
        except DataFolderInUse as error:
            if alone:
                raise BackupError(f"a `windsock standalone` uses {folder}: stop it first (Ctrl-C)") from error
            yield Dsn.parse(dsn_of_running(folder))
            return
        yield stack.enter_context(_started(folder))


def _embedded(config: Config) -> Path | None:
    if not config.dsn:
        return config.data_dir
    # `windsock standalone` wrote this file into its folder; the Postgres of the socket in it may have ended.
    by_standalone = config.sources.get("dsn", "").startswith(f"{config.data_dir / 'commands.cfg'} ")
    return config.data_dir if by_standalone else None


def _check(folder: Path, *, may_be_new: bool) -> None:
    if not may_be_new and not (folder / "postgres").is_dir():
        raise BackupError(
            f"there is no database in {folder}: name the folder of `windsock standalone` with --data-dir, or set"
            " [core] sql_alchemy_conn in airflow.cfg"
        )


@contextmanager
def _started(folder: Path) -> Iterator[Dsn]:
    server = EmbeddedPostgres(folder)
    with asyncio.Runner() as runner:
        runner.run(server.start())
        try:
            yield Dsn.parse(server.dsn)
        finally:
            runner.run(server.stop())
