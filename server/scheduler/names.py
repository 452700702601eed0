"""Airflow's names for what a template may say: `ds`, `dag_run`, `ti.xcom_pull`, `macros`, ..."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pendulum

from server.scheduler.macros import MACROS

# In a run that was triggered all of them are the run's own, in Airflow too.
_DATES = (
    "execution_date", "logical_date", "data_interval_start", "data_interval_end", "prev_execution_date",
    "next_execution_date",
)  # fmt: skip


class Moment(pendulum.DateTime):
    """A date whose `str()` is ISO 8601 with a T, as templates of Airflow show it."""

    def __str__(self) -> str:
        """Show 2020-01-01T00:00:00+00:00."""
        return self.isoformat()


def moment(text: str) -> Moment:
    """Make a date for templates."""
    utc = datetime.fromisoformat(text).astimezone(UTC)
    return Moment(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond, tzinfo=pendulum.UTC)


def pull(xcoms: Mapping[tuple[str, str], Any], task_ids: str | Sequence[str] | None, key: str) -> Any:  # noqa: ANN401 - any JSON value
    """What tasks of the run left under a key: one value for one task, a list for a list, the last one for None."""
    if isinstance(task_ids, str):
        return xcoms.get((task_ids, key))
    if task_ids is not None:
        return [xcoms.get((task_id, key)) for task_id in task_ids]
    values = [value for (_, name), value in xcoms.items() if name == key]
    return values[-1] if values else None


class _TaskInstance(SimpleNamespace):
    """`ti` in templates."""

    def xcom_pull(
        self,
        task_ids: str | Sequence[str] | None = None,
        dag_id: str | None = None,
        key: str = "return_value",
        include_prior_dates: bool = False,  # noqa: FBT001, FBT002 - Airflow's signature
    ) -> Any:  # noqa: ANN401 - any JSON value
        """Read what tasks of this run left; only of this run."""
        if include_prior_dates or dag_id not in {None, self.dag_id}:
            message = "xcom_pull reads what tasks of the same run left, nothing else"
            raise ValueError(message)
        return pull(self._xcoms, task_ids, key)


def template_names(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that a template may use, from what `context.facts` says of its try."""
    date = moment(facts["execution_date"])
    shared = {"dag_id": facts["dag"]["dag_id"], "execution_date": date, "run_id": facts["values"]["run_id"]}
    dag_run = SimpleNamespace(
        id=facts["run"],
        conf=facts["conf"],
        external_trigger=facts["external_trigger"],
        start_date=facts["run_start_date"] and moment(facts["run_start_date"]),
        **shared,
    )
    task = SimpleNamespace(**facts["task"], dag_id=shared["dag_id"])
    ti = _TaskInstance(
        task_id=task.task_id,
        try_number=facts["try_number"],
        max_tries=facts["max_tries"],
        start_date=moment(facts["start_date"]),
        task=task,
        dag_run=dag_run,
        _xcoms={(task_id, key): value for task_id, key, value in facts["xcoms"]},
        **shared,
    )
    dates = dict.fromkeys(_DATES, date)
    names = {"dag": SimpleNamespace(**facts["dag"]), "task": task, "dag_run": dag_run, "ti": ti, "task_instance": ti}
    return {**facts["values"], **dates, **names, "macros": MACROS}
