"""`windsock db`: commands that look after a standalone database."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.commands.service import initdb, one_line_errors
from windsock.commands.base import EXIT_INTERRUPTED, Failure, Function, say
from windsock.text import count

_NOUNS = {"runs": "run", "task logs": "task log", "log": "log row", "job": "job row"}

if TYPE_CHECKING:
    from windsock.config import Config


@click.group()
def db() -> None:
    """Look after a standalone database."""


@db.command()
@click.option("--before", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), required=True, help="A time in UTC.")
@click.option("--dry-run", is_flag=True, help="Count what would be deleted.")
def clean(before: datetime, dry_run: bool) -> None:  # noqa: FBT001 - click's way
    """Delete finished runs and log rows that are older than a date.

    This also deletes the task instances of these runs, and their logs. Runs that are queued or running stay. The
    command refuses the database of an Airflow.
    """
    with one_line_errors():
        import asyncio  # noqa: PLC0415 - see server.commands.service

        from server.standalone.clean import clean as run_clean  # noqa: PLC0415 - likewise
        from windsock.commands.configuration import load  # noqa: PLC0415 - likewise

        config = load()
        if not config.base_log_folder.is_dir():
            say(f"Warning: there is no base_log_folder {config.base_log_folder}, so no logs of tasks are deleted")
        work = run_clean(config.dsn, before.replace(tzinfo=UTC), config.base_log_folder, dry_run=dry_run)
        counts = asyncio.run(work)
        found = ", ".join(count(number, _NOUNS[kind]) for kind, number in counts.items())
        click.echo(f"{'would delete' if dry_run else 'deleted'} {found}")


def data_dir_option(function: Function) -> Function:
    """Add `--data-dir`."""
    text = "The folder of `windsock standalone`.  [default: .windsock, if no database is configured]"
    return click.option("--data-dir", type=click.Path(path_type=Path), help=text)(function)


@db.command()
@click.argument("file")
@data_dir_option
def backup(file: str, data_dir: Path | None) -> None:
    """Write a standalone database into FILE.

    The service may run meanwhile. FILE appears when it is complete, and only its owner may read it. `-` is stdout.
    FILE does not contain the logs of tasks, DAG files, airflow.cfg and keys: keep these too.
    """
    with one_line_errors(), _ended_by_signals("interrupted: no backup was made"):
        from server.standalone.backup.run import backup as run_backup  # noqa: PLC0415 - see server.commands.service

        say(run_backup(_load(), file, data_dir))


@db.command()
@click.argument("file")
@data_dir_option
@click.option("--force", is_flag=True, help="Replace the data of a database that is not empty.")
def restore(file: str, data_dir: Path | None, force: bool) -> None:  # noqa: FBT001 - click's way
    """Replace everything in a standalone database with the backup in FILE.

    Stop the API and the scheduler first. The restore is one transaction: after an error the database is as it was
    before. A backup of an older release is upgraded. Restore only files that you trust, because they may contain code.
    `-` is stdin.
    """
    with one_line_errors(), _ended_by_signals("interrupted"):
        from server.standalone.backup.run import restore as run_restore  # noqa: PLC0415 - likewise

        say(run_restore(_load(), file, data_dir, force=force))


@contextmanager
def _ended_by_signals(message: str) -> Iterator[None]:
    """Clean up after SIGTERM and SIGHUP as after Ctrl-C. Raises Failure with the message then."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # `nohup` ignores SIGHUP.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        raise Failure(message, EXIT_INTERRUPTED) from None


def _load() -> "Config":
    from windsock.config import load_config  # noqa: PLC0415 - likewise

    return load_config(database="optional", defaults={"data_dir": str(Path(".windsock").absolute())})


db.add_command(initdb, "init")
db.add_command(initdb, "upgrade")
