"""Logs of tasks: `task_log`."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import click

from windsock.commands.base import path_name, run_of_no_date, session, verbose_option
from windsock.protocol import Code

if TYPE_CHECKING:
    from windsock.client import Client
    from windsock.client.results import TaskLogPart

_INTERVAL = 0.5
_PART = 2**20
_UNDER_WAY = frozenset({"queued", "running"})
_DONE = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


@click.command("task_log")
@click.argument("dag_id")
@click.argument("task_id")
@click.argument("execution_date")
@click.option("--try", "try_number", type=click.IntRange(1), help="Which try, counted from 1.  [default: the last]")
@click.option("--map-index", "--map_index", type=click.IntRange(-1), help="Which instance of a mapped task.")
@click.option("-f", "--follow", is_flag=True, help="Follow the log until the task is done.")
@verbose_option
def task_log(
    dag_id: str,
    task_id: str,
    execution_date: str,
    *,
    try_number: int | None,
    map_index: int | None,
    follow: bool,
    verbose: bool,
) -> None:
    """Print the log of a task.

    Name the run by its execution date or by its run id. Beside an Airflow, only logs on the server's machine are there.
    """
    from windsock.client import ApiError  # noqa: PLC0415 - help needs none of it

    with session(verbose=verbose) as client:
        try:
            client.get_task_instance(dag_id, execution_date, task_id)
        except ApiError as error:
            execution_date = path_name(run_of_no_date(client, dag_id, execution_date, error))
        log = Log(dag_id, execution_date, task_id, map_index)
        for data in _follow(client, log, try_number) if follow else _parts(client, log, try_number):
            click.echo(data, nl=False)


class Log(NamedTuple):
    """Whose log it is."""

    dag_id: str
    execution_date: str
    task_id: str
    map_index: int | None = None

    def part(self, client: "Client", number: int | None, start: int, size: int) -> "TaskLogPart":
        """Return some bytes of the log of a try."""
        return client.get_task_log_part(
            self.dag_id, self.execution_date, self.task_id, number, start, size, self.map_index
        )


def _parts(client: "Client", log: Log, number: int | None, start: int = 0) -> Iterator[bytes]:
    """Yield what the log of a try has now, from byte `start` on."""
    part = log.part(client, number, start, _PART)
    end = part.size
    while part.data:
        yield part.data
        start += len(part.data)
        if start >= end:
            return
        part = log.part(client, part.try_number, start, _PART)


def _follow(client: "Client", log: Log, only: int | None) -> Iterator[bytes]:
    """Yield the log so far, then what is added, and the logs of later tries unless `only` names one."""
    from windsock.client import ApiError  # noqa: PLC0415 - likewise

    number, shown = only, 0
    while True:
        # The state is asked first, so that the log then has everything that the task wrote before it was done.
        done = _is_done(client, log.dag_id, log.execution_date, log.task_id)
        try:
            newest = log.part(client, only, shown, 1).try_number
        except ApiError as error:
            if done or error.code != Code.LOG_NOT_FOUND:
                raise
        else:
            for each in range(number or newest, newest + 1):
                number, shown = each, shown if each == number else 0
                for data in _parts(client, log, number, shown):
                    shown += len(data)
                    yield data
        if done:
            return
        time.sleep(_INTERVAL)


def _is_done(client: "Client", dag_id: str, date: str, task_id: str) -> bool:
    """Whether the task will write nothing more: a run that has ended starts no task."""
    state = client.get_task_instance(dag_id, date, task_id)["state"]
    return state in _DONE or (state not in _UNDER_WAY and client.get_dag_run_state(dag_id, date) in _DONE)
