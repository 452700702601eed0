"""Tasks: `list_tasks`, `task_state`."""

import click

from server.commands.base import run_of_no_date, session, subdir_option, verbose_option
from server.commands.output import optional_output_option, show


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
        show(tasks, ("task_id", "operator", "downstream_task_ids"), output)
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
        try:
            found = client.get_task_instance(dag_id, execution_date, task_id)
        except client.error as error:
            run = run_of_no_date(client, dag_id, execution_date, error)
            found = client.get_task_instance(dag_id, run["execution_date"], task_id)
        click.echo(found["state"])
