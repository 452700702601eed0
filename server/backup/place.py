"""Which database is meant: the one that is configured, or the embedded one, whether it runs or not."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from server.backup.database import BackupError
from server.config import Config, Dsn
from server.embedded import DataFolderInUse, EmbeddedPostgres, dsn_of_running, exclusive


@contextmanager
def reached(config: Config, data_dir: Path | None, *, alone: bool) -> Iterator[Dsn]:
    """Yield where the database is. An embedded one that does not run is started for the length of the block.

    It is the embedded one of `data_dir` where that is given, where no database is configured (then that of
    `config.data_dir`), and where the configured one is that of a `windsock standalone`, as in its `commands.cfg`. With
    `alone` a `windsock standalone` that runs is in the way. Raises StartupError.
    """
    folder = data_dir or _embedded(config)
    if folder is None and config.pgbouncer:
        raise BackupError(
            "pg_dump and pg_restore need Postgres itself: set AIRFLOW__WINDSOCK__PGBOUNCER=False, and"
            " AIRFLOW__WINDSOCK__SQL_ALCHEMY_CONN to a URL that leads past PgBouncer"
        )
    if folder is None:
        yield config.dsn
        return
    with ExitStack() as stack:
        try:
            # A new one is made where somebody has named it, not wherever the command happens to be called.
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
    # `windsock standalone` wrote this file into its folder; the socket that it names is of a Postgres that may be gone.
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
