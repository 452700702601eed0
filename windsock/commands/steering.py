"""Steering of runs: `clear`, `stop_run`, `mark_run`, `mark_task`, `delete_run`."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import click

from windsock.commands.base import (
    EXIT_NOT_FOUND,
    Failure,
    confirm,
    echo,
    run_of_no_date,
    say,
    session,
    subdir_option,
    verbose_option,
)
from windsock.commands.tables import optional_output_option, show
from windsock.protocol import BY_RUN_ID, ENDED
from windsock.text import count

if TYPE_CHECKING:
    from windsock.client import Client
    from windsock.client.results import Answer

_COLUMNS = ("task_id", "map_index", "state", "run_id", "execution_date")
_FAILED = "failed"
_STATES = click.Choice(sorted(ENDED))
_UNMAPPED = -1
_LISTED = 20


@click.command("clear")
@click.argument("dag_id")
@click.argument("execution_date", required=False)
@click.option("-s", "--start_date", "--start-date", metavar="DATE", help="All runs with this date or a later one.")
@click.option("-e", "--end_date", "--end-date", metavar="DATE", help="All runs with this date or an earlier one.")
@click.option("-t", "--task_regex", "--task-regex", metavar="REGEX", help="Only tasks with this in their ids.")
@click.option("-d", "--downstream", is_flag=True, help="With -t: the tasks downstream of these, too.")
@click.option(
    "-f", "--only_failed", "--only-failed", is_flag=True, help="Only what failed, or did not run because others failed."
)
@click.option("--dry-run", is_flag=True, help="Print what would be cleared, and change nothing.")
@click.option("-y", "-c", "--yes", "--no_confirm", "--no-confirm", is_flag=True, help="Do not ask.")
@optional_output_option
@subdir_option
@verbose_option
def clear(
    dag_id: str,
    execution_date: str | None,
    start_date: str | None,
    end_date: str | None,
    task_regex: str | None,
    *,
    downstream: bool,
    only_failed: bool,
    dry_run: bool,
    yes: bool,
    output: str | None,
    verbose: bool,
) -> None:
    """Repeat tasks of a run.

    Name the run by its execution date or by its run id, or name several by -s and -e. The tasks run again, and so the
    run is under way again. Without a terminal the command cannot ask, and needs -y.
    """
    if (execution_date is None) == (start_date is None and end_date is None):
        raise click.UsageError("name one run, or the dates of several with -s and -e")
    with session(verbose=verbose) as client:
        task_ids = None if task_regex is None else _matching(client, dag_id, task_regex)
        clear_run = partial(
            client.clear_dag_run, dag_id, only_failed=only_failed, task_ids=task_ids, downstream=downstream
        )
        names = [execution_date] if execution_date is not None else _runs_at(client, dag_id, start_date, end_date)
        found = _each(client, dag_id, names, partial(clear_run, dry_run=dry_run or not yes))
        if found and not (dry_run or yes):
            confirm(f"clear tasks of {dag_id}", "\n".join(["This repeats tasks:", *_listed(found)]))
            names = [f"{BY_RUN_ID}{one['run_id']}" for one in found]
            found = _each(client, dag_id, names, clear_run)
    if not found:
        say("Nothing to clear.")
    if output is None and not dry_run:
        for one in found:
            echo(f"{one['run_id']}: cleared {count(len(one['task_instances']), 'task instance')}")
    else:
        show(_rows(found), _COLUMNS, output or "table")


@click.command("stop_run")
@click.argument("dag_id")
@click.argument("execution_date")
@optional_output_option
@verbose_option
def stop_run(dag_id: str, execution_date: str, *, output: str | None, verbose: bool) -> None:
    """Stop a run: its tasks that are under way are ended.

    Name the run by its execution date or by its run id. The run has then failed.
    """
    _mark_run(dag_id, execution_date, _FAILED, output, verbose=verbose)


@click.command("mark_run")
@click.argument("dag_id")
@click.argument("execution_date")
@click.argument("state", type=_STATES)
@optional_output_option
@verbose_option
def mark_run(dag_id: str, execution_date: str, state: str, *, output: str | None, verbose: bool) -> None:
    """Mark a run as failed or success.

    Name the run by its execution date or by its run id. Its tasks that are under way are ended.
    """
    _mark_run(dag_id, execution_date, state, output, verbose=verbose)


def _mark_run(dag_id: str, name: str, state: str, output: str | None, *, verbose: bool) -> None:
    with session(verbose=verbose) as client:
        done = _named(client, dag_id, name, lambda run: client.set_dag_run_state(dag_id, run, state))
    _show_marked(done, str(done["run_id"]), state, output)


@click.command("mark_task")
@click.argument("dag_id")
@click.argument("task_id")
@click.argument("execution_date")
@click.argument("state", type=_STATES)
@click.option(
    "--map-index", type=click.IntRange(min=_UNMAPPED), help="Only this instance of a mapped task.  [default: all]"
)
@optional_output_option
@subdir_option
@verbose_option
def mark_task(
    dag_id: str,
    task_id: str,
    execution_date: str,
    state: str,
    map_index: int | None,
    *,
    output: str | None,
    verbose: bool,
) -> None:
    """Mark a task of a run as failed or success.

    Name the run by its execution date or by its run id. If the task is under way, it is ended.
    """
    with session(verbose=verbose) as client:
        done = _named(
            client,
            dag_id,
            execution_date,
            lambda run: client.set_task_instance_state(dag_id, run, task_id, state, map_index),
        )
    _show_marked(done, f"{task_id} in {done['run_id']}", state, output)


@click.command("delete_run")
@click.argument("dag_id")
@click.argument("execution_date")
@click.option("-y", "--yes", is_flag=True, help="Do not ask. Without a terminal this option is needed.")
@verbose_option
def delete_run(dag_id: str, execution_date: str, *, yes: bool, verbose: bool) -> None:
    """Delete a run with everything that belongs to it.

    Name the run by its execution date or by its run id. This deletes its task instances, XComs and so on. The table
    `log` and the logs of the tasks are kept.
    """
    if not yes:
        consequence = f"This deletes everything that the database knows about the run {execution_date} of {dag_id}."
        confirm(f"delete the run {execution_date} of {dag_id}", consequence)
    with session(verbose=verbose) as client:
        done = _named(client, dag_id, execution_date, lambda run: client.delete_dag_run(dag_id, run))
    echo(str(done["message"]))


def _named(client: "Client", dag_id: str, name: str, use: "Callable[[str], Answer]") -> "Answer":
    """Use the run with that date or, if it is none, with that run id."""
    try:
        return use(name)
    except client.error as error:
        return use(f"{BY_RUN_ID}{run_of_no_date(client, dag_id, name, error)['run_id']}")


def _matching(client: "Client", dag_id: str, regex: str) -> list[str]:
    try:
        pattern = re.compile(regex)
    except re.error as error:
        raise click.UsageError(f"-t: {regex!r} is not a regular expression: {error}") from error
    found = [task_id for task in client.get_tasks(dag_id) if pattern.search(task_id := str(task["task_id"]))]
    if not found:
        raise Failure(f"Dag {dag_id} has no task with {regex} in its id", EXIT_NOT_FOUND)
    return found


def _runs_at(client: "Client", dag_id: str, start_date: str | None, end_date: str | None) -> list[str]:
    runs = client.get_dag_runs(dag_id, execution_date_gte=start_date, execution_date_lte=end_date)
    return [f"{BY_RUN_ID}{run['run_id']}" for run in runs]


def _each(client: "Client", dag_id: str, names: Sequence[str], clear_run: "Callable[[str], Answer]") -> "list[Answer]":
    """Clear each run; return the answers that name a task instance."""
    answers = [_named(client, dag_id, name, clear_run) for name in names]
    return [answer for answer in answers if answer["task_instances"]]


def _listed(found: "Sequence[Answer]") -> list[str]:
    """Return a line for each task instance, at least of the first ones."""
    lines = [f"  {_instance(row)} in {row['run_id']}, now {row['state']}" for row in _rows(found)]
    more = len(lines) - _LISTED
    return lines if more <= 0 else [*lines[:_LISTED], f"  and {more} more"]


def _instance(row: "Answer") -> str:
    mapped = row["map_index"] != _UNMAPPED
    return f"{row['task_id']}[{row['map_index']}]" if mapped else str(row["task_id"])


def _rows(found: "Sequence[Answer]") -> "list[Answer]":
    return [
        {"dag_id": one["dag_id"], "run_id": one["run_id"], "execution_date": one["execution_date"], **instance}
        for one in found
        for instance in one["task_instances"]
    ]


def _show_marked(done: "Answer", what: str, state: str, output: str | None) -> None:
    if output is None:
        echo(f"{what}: {state}; {count(len(done['task_instances']), 'task instance')} changed")
    else:
        show(_rows([done]), _COLUMNS, output)
