"""DAGs: `list_dags`, `dag_details`, `next_execution`, `pause`, `unpause`, `delete_dag`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from windsock.commands.base import confirm, echo, say, session, subdir_option, verbose_option
from windsock.commands.tables import optional_output_option, output_option, show

if TYPE_CHECKING:
    from windsock.client.results import Answer

_COLUMNS = ("dag_id", "is_paused", "is_active", "owners", "schedule_interval", "next_dagrun")
_RUN_COLUMNS = ("execution_date", "data_interval_start", "data_interval_end", "run_after")


@click.command("list_dags")
@output_option
@subdir_option
@verbose_option
def list_dags(*, output: str, verbose: bool) -> None:
    """List the DAGs."""
    with session(verbose=verbose) as client:
        show(client.get_dags(), _COLUMNS, output)


@click.command("dag_details")
@click.argument("dag_id")
@output_option
@subdir_option
@verbose_option
def dag_details(dag_id: str, *, output: str, verbose: bool) -> None:
    """Print all that the database says about a DAG.

    That is its schedule, tags, owners, next run, file, import error, how many runs are in each state and so on. A table
    has a line for each; -o json and yaml show them as the API has them.
    """
    with session(verbose=verbose) as client:
        found = client.get_dag(dag_id)
    rows = [found] if output in {"json", "yaml"} else [*_properties(found)]
    show(rows, ("property", "value"), output)


def _properties(found: "Answer") -> "Iterator[Answer]":
    for name, value in found.items():
        if isinstance(value, dict):
            yield from ({"property": f"{name}.{key}", "value": number} for key, number in value.items())
        else:
            yield {"property": name, "value": value}


@click.command("next_execution")
@click.argument("dag_id")
@click.option(
    "-n",
    "--num-executions",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="How many runs to show.",
)
@optional_output_option
@subdir_option
@verbose_option
def next_execution(dag_id: str, *, num_executions: int, output: str | None, verbose: bool) -> None:
    """Print the execution dates of a DAG's next runs.

    A run is made when its data interval ends; -o shows when that is. If there is no next run, the command prints None,
    and says why on stderr.
    """
    with session(verbose=verbose) as client:
        found = client.get_dag(dag_id, next_runs=num_executions)
    runs, note = found["next_runs"], found["next_runs_note"]
    if found["is_paused"]:
        say("The DAG is paused: no run is made until it is unpaused")
    if output is not None:
        show(runs, _RUN_COLUMNS, output)
    else:
        for run in runs or [{"execution_date": None}]:
            echo(str(run["execution_date"]))
    if note is not None:
        say(note)


@click.command("list_import_errors")
@output_option
@subdir_option
@verbose_option
def list_import_errors(*, output: str, verbose: bool) -> None:
    """List the DAG files that could not be loaded, and why.

    A table has one line for each problem; -o json and yaml show the errors as they are stored.
    """
    with session(verbose=verbose) as client:
        found = client.get_import_errors()
    if output in {"json", "yaml"}:
        show(found, (), output)
        return
    rows = [{"filename": row["filename"], "error": line} for row in found for line in _problems(row)]
    show(rows, ("filename", "error"), output)


def _problems(error: "Answer") -> list[str]:
    """Return the lines that say what is wrong with a file; of a traceback only the last line."""
    name, lines = str(error["filename"]), [line for line in str(error["stacktrace"]).splitlines() if line.strip()]
    if not all(line.startswith(name) for line in lines):
        lines = lines[-1:]
    return [line.removeprefix(name).lstrip(": ") for line in lines] or ["it cannot be loaded"]


@click.command("pause")
@click.argument("dag_id")
@subdir_option
@verbose_option
def pause(dag_id: str, *, verbose: bool) -> None:
    """Pause a DAG.

    Runs that are triggered then wait until the DAG is unpaused.
    """
    _set_paused(dag_id, is_paused=True, verbose=verbose)


@click.command("unpause")
@click.argument("dag_id")
@subdir_option
@verbose_option
def unpause(dag_id: str, *, verbose: bool) -> None:
    """Unpause a DAG."""
    _set_paused(dag_id, is_paused=False, verbose=verbose)


def _set_paused(dag_id: str, *, is_paused: bool, verbose: bool) -> None:
    with session(verbose=verbose) as client:
        client.set_paused(dag_id, is_paused=is_paused)
    click.echo(f"Dag: {dag_id}, paused: {is_paused}")


@click.command("delete_dag")
@click.argument("dag_id")
@click.option("-y", "--yes", is_flag=True, help="Do not ask. Without a terminal this option is needed.")
@verbose_option
def delete_dag(dag_id: str, *, yes: bool, verbose: bool) -> None:
    """Delete a DAG with all its runs.

    This deletes all rows of the DAG: runs, task instances, XComs and so on. The table `log` is kept. If the DAG's file
    is still there, the DAG comes back, but without its history.
    """
    if not yes:
        confirm(
            f"delete {dag_id}", f"This deletes every run and everything else that the database knows about {dag_id}."
        )
    with session(verbose=verbose) as client:
        echo(str(client.delete_dag(dag_id)["message"]))
