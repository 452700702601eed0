"""What is under way: `runs`."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from shutil import get_terminal_size
from typing import TYPE_CHECKING

import click

from windsock.commands.base import echo, path_name, session, verbose_option
from windsock.commands.tables import output_option, show
from windsock.protocol import ENDED
from windsock.text import count

if TYPE_CHECKING:
    from windsock.client import Client
    from windsock.client.results import Answer

_COLUMNS = ("dag_id", "run_id", "state", "execution_date", "start_date")
# Above a table: the time and an empty line, two lines of its head. Below it: how many more there are.
_OTHER_LINES = 5
_ALTERNATE_SCREEN, _USUAL_SCREEN, _CLEAR = "\x1b[?1049h", "\x1b[?1049l", "\x1b[H\x1b[J"

_Known = dict[tuple[str, str], "Answer"]


@click.command("runs")
@click.option("--once", is_flag=True, help="Print the runs as they are now, and end.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.5, max=3600),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look.",
)
@output_option
@verbose_option
@click.pass_context
def runs(context: click.Context, /, *, once: bool, interval: float, output: str, verbose: bool) -> None:
    """Show the runs of all DAGs that are queued or running.

    On a terminal it is a table that is kept up to date; otherwise there is a line for each run, and one for each change
    of a state. Ctrl-C ends it. -o needs --once. If there are very many runs, it shows the 1,000 that began first.
    """
    if not once and context.get_parameter_source("output") is not click.core.ParameterSource.DEFAULT:
        raise click.UsageError("-o needs --once: without it the command goes on until Ctrl-C ends it", context)
    with session(verbose=verbose) as client:
        if once:
            show(client.get_unfinished_runs(), _COLUMNS, output)
            return
        try:
            if sys.stdout.isatty():
                _keep_table(client, interval)
            else:
                _print_changes(client, interval)
        except KeyboardInterrupt:
            # That is how it ends.
            return


def _keep_table(client: "Client", interval: float) -> None:
    with _screen():
        while True:
            found = client.get_unfinished_runs()
            click.echo(_CLEAR, nl=False)
            click.echo(f"{datetime.now(UTC):%H:%M:%S} UTC: {count(len(found), 'run')} under way\n")
            room = max(1, get_terminal_size().lines - _OTHER_LINES)
            show(found[:room], _COLUMNS, "table")
            if len(found) > room:
                click.echo(f"... and {len(found) - room} more", nl=False)
            time.sleep(interval)


@contextmanager
def _screen() -> Iterator[None]:
    """Use a screen of its own, so that afterwards the terminal shows what it showed before."""
    click.echo(_ALTERNATE_SCREEN, nl=False)
    try:
        yield
    finally:
        click.echo(_USUAL_SCREEN, nl=False)


def _print_changes(client: "Client", interval: float) -> None:
    known: _Known = {}
    while True:
        found = {(run["dag_id"], run["run_id"]): run for run in client.get_unfinished_runs()}
        for run in _ended(client, [known[key] for key in known.keys() - found.keys()]):
            _print(run)
        for key, run in found.items():
            if key not in known or known[key]["state"] != run["state"]:
                _print(run)
        known = found
        time.sleep(interval)


def _ended(client: "Client", gone: "Sequence[Answer]") -> "Iterator[Answer]":
    """Yield runs that are not under way any more, with the states that they have now."""
    if not gone:
        return
    states = client.get_dag_run_states([(run["dag_id"], path_name(run)) for run in gone])
    for run, now in zip(gone, states, strict=True):
        # Of a run that was deleted there is no state.
        state = now.get("state", "deleted")
        if state in ENDED or state == "deleted":
            yield {**run, "state": state}


def _print(run: "Answer") -> None:
    echo(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}  {run['dag_id']}  {run['run_id']}  {run['state']}")
