"""The API's paths, below its prefix, with what a caller chose quoted. Each function raises ApiError for bad names."""

from urllib.parse import quote

from windsock.client.results import ApiError
from windsock.protocol import Code

_BAD_REQUEST = 400


def of_dag(dag_id: str) -> str:
    """Return the path of a DAG."""
    return f"dags/{_quoted(dag_id, 'dag_id')}"


def of_run(dag_id: str, execution_date: str) -> str:
    """Return the path of a run."""
    return f"{of_dag(dag_id)}/dag_runs/{_quoted(execution_date, 'execution_date')}"


def of_task(dag_id: str, task_id: str) -> str:
    """Return the path of a task."""
    return f"{of_dag(dag_id)}/tasks/{_quoted(task_id, 'task_id')}"


def of_task_instance(dag_id: str, execution_date: str, task_id: str) -> str:
    """Return the path of a task instance."""
    return f"{of_run(dag_id, execution_date)}/tasks/{_quoted(task_id, 'task_id')}"


def of_log(dag_id: str, execution_date: str, task_id: str, try_number: int | None, map_index: int | None) -> str:
    """Return the path of a task's log: that of its last try, or of `try_number`."""
    given = {"try_number": try_number, "map_index": map_index}
    query = "&".join(f"{name}={value}" for name, value in given.items() if value is not None)
    return f"{of_task_instance(dag_id, execution_date, task_id)}/logs{f'?{query}' if query else ''}"


def of_pool(name: str) -> str:
    """Return the path of a pool; an empty name would lead to another path."""
    if not name.strip():
        raise ApiError(_BAD_REQUEST, "Pool name shouldn't be empty", code=Code.INVALID_POOL)
    return f"pools/{_quoted(name, 'pool name')}"


def _quoted(text: str, what: str) -> str:
    try:
        return quote(text, safe=":")
    except UnicodeEncodeError as error:
        raise ApiError(_BAD_REQUEST, f"The {what} is not valid Unicode text", code=Code.INVALID_REQUEST) from error
