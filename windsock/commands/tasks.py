"""Tasks: `list_tasks`, `task_state`, `states_for_dag_run`."""

from typing import TYPE_CHECKING

import click

from windsock.commands.base import echo, path_name, run_of_no_date, say, session, subdir_option, verbose_option
from windsock.commands.failed_tasks import map_index_of
from windsock.commands.tables import optional_output_option, output_option, show

if TYPE_CHECKING:
    from windsock.client import Client

# The states of a task that waits for its first try or its next one.
_WAITING = frozenset({"None", "scheduled", "queued", "up_for_retry", "up_for_reschedule"})


@click.command("list_tasks")
@click.argument("dag_id")
@optional_output_option
@subdir_option
@verbose_option
def list_tasks(dag_id: str, *, output: str | None, verbose: bool) -> None:
    """List the tasks of a DAG.

    The command prints their ids, one on each line; with -o also their operators and the tasks that follow them.
    """
    with session(verbose=verbose) as client:
        tasks = sorted(client.get_tasks(dag_id), key=lambda task: str(task["task_id"]))
    if output is not None:
        show(tasks, ("task_id", "operator", "downstream_task_ids"), output)
        return
    for task in tasks:
        echo(str(task["task_id"]))


@click.command("task_state")
@click.argument("dag_id")
@click.argument("task_id")
@click.argument("execution_date")
@subdir_option
@verbose_option
def task_state(dag_id: str, task_id: str, execution_date: str, *, verbose: bool) -> None:
    """Print the state of a task in a run.

    Name the run by its execution date or by its run id. The state of a task that has not started is None. If the task
    is waiting, the command says on stderr what it waits for.
    """
    with session(verbose=verbose) as client:
        try:
            found = client.get_task_instance(dag_id, execution_date, task_id)
        except client.error as error:
            execution_date = path_name(run_of_no_date(client, dag_id, execution_date, error))
            found = client.get_task_instance(dag_id, execution_date, task_id)
        echo(str(found["state"]))
        if found["state"] in _WAITING:
            for reason in _waits_for(client, dag_id, execution_date, task_id):
                say(f"{task_id} waits: {reason}")


@click.command("states_for_dag_run")
@click.argument("dag_id")
@click.argument("execution_date")
@output_option
@subdir_option
@verbose_option
def states_for_dag_run(dag_id: str, execution_date: str, *, output: str, verbose: bool) -> None:
    """Print the states of all tasks in a run.

    Name the run by its execution date or by its run id. A mapped task has a line for each instance. -o json and
    yaml show everything about each task, also what it waits for.
    """
    with session(verbose=verbose) as client:
        try:
            found = client.get_task_instances(dag_id, execution_date)
        except client.error as error:
            execution_date = path_name(run_of_no_date(client, dag_id, execution_date, error))
            found = client.get_task_instances(dag_id, execution_date)
    mapped = ("map_index",) if any(map_index_of(one) is not None for one in found) else ()
    show(found, ("dag_id", "execution_date", "task_id", *mapped, "state", "start_date", "end_date"), output)


def _waits_for(client: "Client", dag_id: str, execution_date: str, task_id: str) -> list[str]:
    """Return what the task waits for; an older server cannot say, so the list is then empty."""
    from windsock.client import ClientError  # noqa: PLC0415 - help needs none of it

    try:
        return client.get_waits_for(dag_id, execution_date, task_id)
    except ClientError:
        return []
