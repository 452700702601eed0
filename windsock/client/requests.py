"""What both clients send, and how they read answers that need a second look."""

from collections.abc import Mapping, Sequence

from windsock.client.results import Answer, ApiError
from windsock.protocol import BY_RUN_ID, Code

NARROWING = frozenset({"search", "tag", "owner", "state", "paused", "active"})
"""The parameters of the list of DAGs that choose some of them."""
_BAD_REQUEST, _NOT_FOUND = 400, 404


def trigger_fields(
    run_id: str | None,
    conf: Mapping[str, object] | str | None,
    execution_date: str | None,
    *,
    replace_microseconds: bool | None,
) -> dict[str, object]:
    """Build the body of a trigger, as Airflow's own client sends it."""
    fields: dict[str, object] = {"run_id": run_id, "conf": conf, "execution_date": execution_date}
    if replace_microseconds is not None:
        fields["replace_microseconds"] = replace_microseconds
    return fields


def clear_fields(
    task_ids: Sequence[str] | None, *, only_failed: bool, downstream: bool, dry_run: bool
) -> dict[str, object]:
    """Build the body that clears tasks of a run."""
    fields: dict[str, object] = {"only_failed": only_failed, "downstream": downstream, "dry_run": dry_run}
    if task_ids is not None:
        # A text is a sequence of texts, too; the API says what is wrong with it.
        fields["task_ids"] = task_ids if isinstance(task_ids, str) else list(task_ids)
    return fields


def with_warning(answer: Answer, warning: str | None) -> Answer:
    """Add the `warning` that came with an answer, if there is one."""
    return answer if warning is None else {**answer, "warning": warning}


def runs_query(
    state: str | None,
    run_id: str | Sequence[str] | None,
    execution_date_gte: str | None,
    execution_date_lte: str | None,
    *,
    descending: bool,
    limit: int | None,
) -> list[tuple[str, str]]:
    """Build the query for a list of runs."""
    given = {
        "state": state,
        "execution_date_gte": execution_date_gte,
        "execution_date_lte": execution_date_lte,
        "order_by": "-execution_date" if descending else None,
        "limit": None if limit is None else str(limit),
    }
    run_ids = [run_id] if isinstance(run_id, str) else run_id or ()
    return [
        *((name, value) for name, value in given.items() if value is not None),
        *(("run_id", one) for one in run_ids),
    ]


def dags_query(details: bool, **given: str | Sequence[str] | bool | int | None) -> list[tuple[str, str]]:  # noqa: FBT001 - both clients name it
    """Build the query for a list of DAGs; what is None or empty is left out."""
    pairs = [("details", "true")] if details else []
    for name, value in given.items():
        several = [value] if isinstance(value, str | bool | int) else value or ()
        pairs += [(name, str(one).lower() if isinstance(one, bool) else str(one)) for one in several if one != ""]
    return pairs


def grid_query(limit: int, before: int | None) -> list[tuple[str, str]]:
    """Build the query for a grid."""
    return [("limit", str(limit)), *([] if before is None else [("before", str(before))])]


def next_runs_query(
    next_runs: int | None, execution_date_gte: str | None, execution_date_lte: str | None
) -> list[tuple[str, str]]:
    """Build the query for a DAG with runs of its schedule; it is empty without `next_runs`."""
    if next_runs is None:
        return []
    dates = {"execution_date_gte": execution_date_gte, "execution_date_lte": execution_date_lte}
    return [("next_runs", str(next_runs)), *((name, date) for name, date in dates.items() if date is not None)]


def events_query(dag_id: str | Sequence[str] | None, run_id: str | Sequence[str] | None) -> list[tuple[str, str]]:
    """Build the query for events: one or several DAGs and runs, None for all."""
    given = {"dag_id": dag_id, "run_id": run_id}
    return [
        (name, one) for name, value in given.items() for one in ([value] if isinstance(value, str) else value or ())
    ]


def named_runs(runs: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Build the body that names runs, each by dag_id and execution_date, or `run_id=` and the run_id."""
    return [
        {"dag_id": dag_id, "run_id": name.removeprefix(BY_RUN_ID)}
        if name.startswith(BY_RUN_ID)
        else {"dag_id": dag_id, "execution_date": name}
        for dag_id, name in runs
    ]


def unknown_dag(error: ApiError) -> ApiError:
    """Turn the 400 with which lists answer for an unknown DAG (as Airflow's do) into the 404 that it means."""
    if error.status == _BAD_REQUEST and error.code == Code.DAG_NOT_FOUND:
        return ApiError(_NOT_FOUND, str(error), error.detail, code=error.code)
    return error
