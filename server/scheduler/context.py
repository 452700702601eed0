"""What templates, and functions of Python tasks, may know of their try: Airflow's names."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import asyncpg
import pendulum

from server.scheduler.graph import Graph, Node
from server.scheduler.macros import MACROS
from server.scheduler.store import Key

XComs = Mapping[tuple[str, str], Any]


class Moment(pendulum.DateTime):
    """A date whose `str()` is ISO 8601 with a T, as templates of Airflow show it."""

    def __str__(self) -> str:
        """Show 2020-01-01T00:00:00+00:00."""
        return self.isoformat()


def moment(value: datetime) -> Moment:
    """Make a date for templates."""
    utc = value.astimezone(UTC)
    return Moment(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond, tzinfo=pendulum.UTC)


@dataclass(frozen=True)
class Try:
    """One try of a task, as the database has it, with what its run was triggered with."""

    key: Key
    node: Node
    graph: Graph
    try_number: int
    max_tries: int
    start_date: datetime
    run: int
    run_id: str
    conf: Any
    external_trigger: bool
    run_start_date: datetime | None
    xcoms: dict[tuple[str, str], Any] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """What its processes are known by."""
        return mark(self.key, self.try_number)


def mark(key: Key, try_number: int) -> str:
    """What the processes of a try are known by."""
    return f"{key.dag_id}/{key.task_id}/{key.execution_date.astimezone(UTC).isoformat()}/{try_number}"


def pull(xcoms: XComs, task_ids: str | Sequence[str] | None, key: str) -> Any:  # noqa: ANN401 - any JSON value
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


def plain_values(attempt: Try) -> dict[str, Any]:
    """What can be said in JSON, for templates and for Python tasks alike."""
    date = attempt.key.execution_date.astimezone(UTC)
    ts = date.isoformat()
    return {
        "ds": f"{date:%Y-%m-%d}",
        "ds_nodash": f"{date:%Y%m%d}",
        "ts": ts,
        "ts_nodash": f"{date:%Y%m%dT%H%M%S}",
        "ts_nodash_with_tz": f"{date:%Y%m%dT%H%M%S}+0000",
        "yesterday_ds": f"{date - timedelta(days=1):%Y-%m-%d}",
        "yesterday_ds_nodash": f"{date - timedelta(days=1):%Y%m%d}",
        "tomorrow_ds": f"{date + timedelta(days=1):%Y-%m-%d}",
        "tomorrow_ds_nodash": f"{date + timedelta(days=1):%Y%m%d}",
        "run_id": attempt.run_id,
        "params": attempt.node.task.get("params") or {},
        "test_mode": False,
        "task_instance_key_str": f"{attempt.key.dag_id}__{attempt.key.task_id}__{date:%Y%m%d}",
    }


def template_context(attempt: Try) -> dict[str, Any]:
    """Everything that a template may use."""
    key, node = attempt.key, attempt.node
    date = moment(key.execution_date)
    dag = SimpleNamespace(
        dag_id=key.dag_id,
        description=attempt.graph.dag.data.get("_description"),
        fileloc=attempt.graph.dag.data.get("fileloc"),
    )
    task = SimpleNamespace(task_id=key.task_id, dag_id=key.dag_id, owner=node.task.get("owner"), retries=node.retries)
    dag_run = SimpleNamespace(
        id=attempt.run,
        dag_id=key.dag_id,
        run_id=attempt.run_id,
        conf=attempt.conf,
        execution_date=date,
        external_trigger=attempt.external_trigger,
        start_date=attempt.run_start_date and moment(attempt.run_start_date),
    )
    ti = _TaskInstance(
        dag_id=key.dag_id,
        task_id=key.task_id,
        execution_date=date,
        run_id=attempt.run_id,
        try_number=attempt.try_number,
        max_tries=attempt.max_tries,
        start_date=moment(attempt.start_date),
        task=task,
        dag_run=dag_run,
        _xcoms=attempt.xcoms,
    )
    dates = dict.fromkeys(("execution_date", "logical_date", "data_interval_start", "data_interval_end"), date)
    names = {"dag": dag, "task": task, "dag_run": dag_run, "ti": ti, "task_instance": ti, "macros": MACROS}
    return plain_values(attempt) | dates | names


def environment(attempt: Try) -> dict[str, str]:
    """Variables that every process of a task has, Airflow's and the mark."""
    return {
        "AIRFLOW_CTX_DAG_ID": attempt.key.dag_id,
        "AIRFLOW_CTX_TASK_ID": attempt.key.task_id,
        "AIRFLOW_CTX_EXECUTION_DATE": attempt.key.execution_date.astimezone(UTC).isoformat(),
        "AIRFLOW_CTX_DAG_RUN_ID": attempt.run_id,
        "AIRFLOW_CTX_TRY_NUMBER": str(attempt.try_number),
        "AIRFLOW_CTX_DAG_OWNER": str(attempt.node.task.get("owner")),
        "WINDSOCK_TRY": attempt.mark,
    }


def read_xcoms(rows: Iterable[asyncpg.Record]) -> dict[tuple[str, str], Any]:
    """Values of `xcom` rows by task_id and key; what is no JSON (an Airflow's pickle) is left out."""
    values = {}
    for row in rows:
        try:
            values[row["task_id"], row["key"]] = json.loads(row["value"])
        except (TypeError, ValueError):
            continue
    return values
