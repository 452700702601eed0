"""`windsock db`: looking after a standalone database."""

from datetime import UTC, datetime

import click

from server.commands.base import say
from server.commands.service import initdb, one_line_errors
from server.words import count

_NOUNS = {"runs": "run", "task logs": "task log", "log": "log row", "job": "job row"}


@click.group()
def db() -> None:
    """Look after a standalone database."""


@db.command()
@click.option("--before", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), required=True, help="A time in UTC.")
@click.option("--dry-run", is_flag=True, help="Count what would be deleted.")
def clean(before: datetime, dry_run: bool) -> None:  # noqa: FBT001 - click's way
    """Delete finished runs and log rows that are older.

    Runs go with their task instances and the logs of these; those that are queued or running stay. Refuses an
    Airflow's database.
    """
    with one_line_errors():
        import asyncio  # noqa: PLC0415 - see server.commands.service

        from server.commands.settings import load  # noqa: PLC0415 - likewise
        from server.metadata.clean import clean as run_clean  # noqa: PLC0415 - likewise

        config = load()
        if not config.base_log_folder.is_dir():
            say(f"Warning: there is no base_log_folder {config.base_log_folder}: logs of tasks elsewhere stay")
        work = run_clean(config.dsn, before.replace(tzinfo=UTC), config.base_log_folder, dry_run=dry_run)
        counts = asyncio.run(work)
        found = ", ".join(count(number, _NOUNS[kind]) for kind, number in counts.items())
        click.echo(f"{'would delete' if dry_run else 'deleted'} {found}")


db.add_command(initdb, "init")
db.add_command(initdb, "upgrade")
