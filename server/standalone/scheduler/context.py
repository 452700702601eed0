"""A try of a task, and what its templates, functions and processes may know about it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from server.standalone.scheduler.graph import Graph, Node
from server.standalone.scheduler.store import Key


@dataclass(frozen=True)
class Try:
    """A try of a task, as the database has it, with what its run was triggered with."""

    home: str
    key: Key
    node: Node
    graph: Graph
    try_number: int
    max_tries: int
    start_date: datetime
    run: int
    run_id: str
    run_type: str
    conf: Any
    external_trigger: bool
    run_start_date: datetime | None
    dates: Mapping[str, datetime | None]
    """The dates of its run, as `run_dates` has them."""
    conf_problem: str = ""
    """Why the conf is not read; empty where it is."""
    xcoms: dict[tuple[str, str], Any] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """The mark of its processes."""
        return mark(self.home, self.run, self.key, self.try_number)


def mark(home: str, run: int | None, key: Key, try_number: int) -> str:
    """Return the mark of a try's processes, which is unique among all databases on this machine."""
    return f"{home}/{run}/{key.dag_id}/{key.task_id}/{key.execution_date.astimezone(UTC).isoformat()}/{try_number}"


def plain_values(attempt: Try) -> dict[str, Any]:
    """Return what can be written in JSON, for templates and Python tasks alike."""
    date = attempt.key.execution_date.astimezone(UTC)
    before, after = attempt.dates["prev_execution_date"], attempt.dates["next_execution_date"]
    return {
        **_days("", date),
        **_days("prev_", before),
        **_days("next_", after),
        "ts": date.isoformat(),
        "ts_nodash": f"{date:%Y%m%dT%H%M%S}",
        "ts_nodash_with_tz": f"{date:%Y%m%dT%H%M%S}+0000",
        "yesterday_ds": f"{date - timedelta(days=1):%Y-%m-%d}",
        "yesterday_ds_nodash": f"{date - timedelta(days=1):%Y%m%d}",
        "tomorrow_ds": f"{date + timedelta(days=1):%Y-%m-%d}",
        "tomorrow_ds_nodash": f"{date + timedelta(days=1):%Y%m%d}",
        "run_id": attempt.run_id,
        "params": _params(attempt),
        "test_mode": False,
        "task_instance_key_str": f"{attempt.key.dag_id}__{attempt.key.task_id}__{date:%Y%m%d}",
    }


def _params(attempt: Try) -> dict[str, Any]:
    """Return the params of the task; what the run was triggered with overrides them, as in Airflow 2."""
    conf = attempt.conf if isinstance(attempt.conf, dict) else {}
    return {**(attempt.node.task.get("params") or {}), **conf}


def _days(prefix: str, date: datetime | None) -> dict[str, str | None]:
    """Return a date as `ds` and `ds_nodash`, None if there is none."""
    return {
        f"{prefix}ds": None if date is None else f"{date:%Y-%m-%d}",
        f"{prefix}ds_nodash": None if date is None else f"{date:%Y%m%d}",
    }


def facts(attempt: Try) -> dict[str, Any]:
    """Return all that templates and functions may know about a try, in plain values that go to other processes."""
    key, node = attempt.key, attempt.node
    dag = attempt.graph.dag.data
    return {
        "values": plain_values(attempt),
        "dag": {
            "dag_id": key.dag_id,
            "description": dag.get("_description"),
            "fileloc": dag.get("fileloc"),
            "timezone": dag.get("timezone"),
        },
        "task": {"task_id": key.task_id, "owner": node.task.get("owner"), "retries": node.retries},
        "dates": {name: date and date.isoformat() for name, date in attempt.dates.items()},
        "start_date": attempt.start_date.isoformat(),
        "try_number": attempt.try_number,
        "max_tries": attempt.max_tries,
        "run": attempt.run,
        "run_start_date": attempt.run_start_date and attempt.run_start_date.isoformat(),
        "external_trigger": attempt.external_trigger,
        "run_type": attempt.run_type,
        # As in Airflow 2, so that a template may look something up in it.
        "conf": {} if attempt.conf is None else attempt.conf,
        "xcoms": [[task_id, key, value] for (task_id, key), value in attempt.xcoms.items()],
    }


def environment(attempt: Try) -> dict[str, str]:
    """Return the variables that every process of a task has: Airflow's, and the mark."""
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
    """Return values of `xcom` rows by task_id and key; values that are not JSON (an Airflow's pickles) are left out."""
    values = {}
    for row in rows:
        try:
            values[row["task_id"], row["key"]] = json.loads(row["value"])
        except (TypeError, ValueError, RecursionError):
            continue
    return values
