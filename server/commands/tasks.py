"""Tasks: `list_tasks`, `task_state`."""

from typing import TYPE_CHECKING

import click

from server.commands.base import session, subdir_option, verbose_option
from server.commands.output import optional_output_option, show

if TYPE_CHECKING:
    from server.client import Client

_BAD_REQUEST = 400


@click.command("list_tasks")
@click.argument("dag_id")
@optional_output_option
@subdir_option
@verbose_option
def list_tasks(dag_id: str, *, output: str | None, verbose: bool) -> None:
    """List the tasks of a DAG.

    Prints their ids, one a line; with -o also their operators and what comes after them.
    """
    with session(verbose=verbose) as client:
        tasks = sorted(client.get_tasks(dag_id), key=lambda task: str(task["task_id"]))
    if output is not None:
        show(tasks, ("task_id", "operator", "downstream"), output)
        return
    for task in tasks:
        click.echo(task["task_id"])


@click.command("task_state")
@click.argument("dag_id")
@click.argument("task_id")
@click.argument("execution_date")
@subdir_option
@verbose_option
def task_state(dag_id: str, task_id: str, execution_date: str, *, verbose: bool) -> None:
    """Print the state of a task in a run.

    The run is named by its execution date, or by its run id. A task that has no state yet is in state None.
    """
    with session(verbose=verbose) as client:
        click.echo(_state(client, dag_id, task_id, execution_date))


def _state(client: "Client", dag_id: str, task_id: str, named: str) -> str:
    from server.client import ApiError  # noqa: PLC0415 - help needs none of it

    try:
        return str(client.get_task_instance(dag_id, named, task_id)["state"])
    except ApiError as error:
        if error.status != _BAD_REQUEST:
            raise
        # It is no date: a run id then.
        runs = client.get_dag_runs(dag_id, run_id=named)
        if not runs or not runs[0]["execution_date"]:
            raise
        return str(client.get_task_instance(dag_id, runs[0]["execution_date"], task_id)["state"])
