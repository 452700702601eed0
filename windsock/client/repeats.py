"""Finds out whether an earlier try of a trigger made the run, if its answer was lost."""

from collections.abc import Iterable
from datetime import datetime

from windsock.client.results import Answer
from windsock.protocol import created_message


def made_before(
    dag_id: str, run_id: str, execution_date: str | None, runs: Iterable[Answer], *, filtered: bool
) -> Answer | None:
    """Return the answer that the earlier try would have had; None if none of `runs` is the one that was asked for.

    If the caller named a date, a run with another date is somebody else's. `filtered` says whether the server has
    looked at id and date already: Airflow ignores these filters, and lists all runs.
    """
    for run in runs:
        date = run.get("execution_date")
        if run.get("run_id") != run_id or not isinstance(date, str):
            continue
        if filtered or execution_date is None or _is_at(date, execution_date):
            return {"execution_date": date, "message": created_message(dag_id, date, run_id), "run_id": run_id}
    return None


def _is_at(found: str, date: str) -> bool:
    try:
        return datetime.fromisoformat(found) == datetime.fromisoformat(date)
    except (TypeError, ValueError):
        return False
