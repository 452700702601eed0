"""Why a run failed: its failed tasks, with the last lines of their logs, on stderr."""

from typing import TYPE_CHECKING

from windsock.commands.base import say
from windsock.text import count

if TYPE_CHECKING:
    from windsock.client import Client
    from windsock.client.results import Answer

_FAILED = "failed"
_MOST_TASKS, _MOST_LINES, _MOST_BYTES = 5, 10, 4096


def say_what_failed(client: "Client", dag_id: str, execution_date: str) -> None:
    """Name the failed tasks of a run, with the ends of their logs; nothing if the server cannot tell."""
    from windsock.client import ClientError  # noqa: PLC0415 - help needs none of it

    try:
        instances = client.get_task_instances(dag_id, execution_date)
        failed = [one for one in instances if one.get("state") == _FAILED]
        for one in failed[:_MOST_TASKS]:
            _say_end_of_log(client, one, execution_date)
    except (ClientError, KeyboardInterrupt):
        # That the run failed is known, and is said in any case.
        return
    if len(failed) > _MOST_TASKS:
        say(f"{count(len(failed) - _MOST_TASKS, 'more task')} failed")


def _say_end_of_log(client: "Client", instance: "Answer", execution_date: str) -> None:
    from windsock.client import ApiError  # noqa: PLC0415 - likewise

    dag_id, task_id, mapped = str(instance.get("dag_id")), str(instance.get("task_id")), map_index_of(instance)
    say(f"Task {task_id}{'' if mapped is None else f' [{mapped}]'} failed:")
    try:
        newest = client.get_task_log_part(dag_id, execution_date, task_id, None, 0, 1, mapped)
        start = max(0, newest.size - _MOST_BYTES)
        log = client.get_task_log_part(dag_id, execution_date, task_id, newest.try_number, start, _MOST_BYTES, mapped)
    except ApiError as error:
        say(f"  its log cannot be shown: {_one_line(str(error))}")
        return
    lines = log.data.decode(errors="replace").rstrip("\n").split("\n")
    if start and len(lines) > 1:
        # The first line may have lost its beginning.
        del lines[0]
    for line in lines[-_MOST_LINES:]:
        say(f"  {line}")


def map_index_of(instance: "Answer") -> int | None:
    """Return which instance of a mapped task it is, None if the task is not mapped."""
    index = instance.get("map_index")
    return index if isinstance(index, int) and index >= 0 else None


def _one_line(text: str) -> str:
    return text.partition("\n")[0]
