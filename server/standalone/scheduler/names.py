"""Airflow's names for what templates and Python functions may use: `ds`, `dag_run`, `ti.xcom_pull`, `macros`, ...

The process of a Python task loads this file on its own, so it imports nothing of Windsock.
"""

import json
import random
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pendulum
from dateutil.parser import parse
from dateutil.relativedelta import relativedelta

_LONGEST_KEY = 512


class Moment(pendulum.DateTime):
    """A date whose `str()` is ISO 8601 with a T, as Airflow shows it."""

    def __str__(self) -> str:
        """Show 2020-01-01T00:00:00+00:00."""
        return self.isoformat()


def moment(text: str) -> Moment:
    """Return the date of an ISO 8601 text."""
    utc = datetime.fromisoformat(text).astimezone(UTC)
    return Moment(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond, tzinfo=pendulum.UTC)


def pull(xcoms: Mapping[tuple[str, str], Any], task_ids: str | Sequence[str] | None, key: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the values of the run's tasks under a key: one for one task, a list for a list, the last one for None."""
    if isinstance(task_ids, str):
        return xcoms.get((task_ids, key))
    if task_ids is not None:
        return [xcoms.get((task_id, key)) for task_id in task_ids]
    values = [value for (_, name), value in xcoms.items() if name == key]
    return values[-1] if values else None


class _TaskInstance(SimpleNamespace):
    """`ti`."""

    def xcom_pull(
        self,
        task_ids: str | Sequence[str] | None = None,
        dag_id: str | None = None,
        key: str = "return_value",
        include_prior_dates: bool = False,  # noqa: FBT001, FBT002 - Airflow's signature
    ) -> Any:  # noqa: ANN401 - any JSON value
        """Return results of tasks of this run; results of other runs cannot be read."""
        if include_prior_dates or dag_id not in {None, self.dag_id}:
            message = "xcom_pull reads only the results of tasks of the same run"
            raise ValueError(message)
        return pull(self._xcoms, task_ids, key)

    def xcom_push(self, key: str, value: Any) -> None:  # noqa: ANN401 - any JSON value
        """Keep a value for other tasks; a function may do this, a template may not."""
        if self._pushed is None:
            message = "a template cannot push values"
            raise TypeError(message)
        json.dumps(value)
        if not isinstance(key, str) or not key or len(key) > _LONGEST_KEY or not key.isprintable():
            message = f"a key must be printable text of at most {_LONGEST_KEY} characters: {key!r:.100}"
            raise ValueError(message)
        self._pushed[key] = self._xcoms[self.task_id, key] = value


class _EndedRun(SimpleNamespace):
    """`dag_run`, for the callbacks of its DAG."""

    def get_task_instances(self, state: str | Sequence[str] | None = None) -> list[SimpleNamespace]:
        """Return its tasks, those that ended last come first; only those in a state, or in one of several."""
        wanted = [state] if isinstance(state, str) else state
        return [one for one in self._instances if wanted is None or one.state in wanted]


def names_of(facts: Mapping[str, Any], pushed: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return everything that may be used, from the `context.facts` of a try; pushed values go into `pushed`."""
    more = facts.get("more") or {}
    dates = {name: text and moment(text) for name, text in facts["dates"].items()}
    shared = {"dag_id": facts["dag"]["dag_id"], "run_id": facts["values"]["run_id"]}
    shared |= {name: dates[name] for name in ("execution_date", "logical_date")}
    dag_run = (_EndedRun if "dag_run" in more else SimpleNamespace)(
        id=facts["run"],
        conf=facts["conf"],
        run_type=facts["run_type"],
        external_trigger=facts["external_trigger"],
        start_date=facts["run_start_date"] and moment(facts["run_start_date"]),
        data_interval_start=dates["data_interval_start"],
        data_interval_end=dates["data_interval_end"],
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
        _pushed=pushed,
        **shared,
    )
    names = {"dag": _dag(facts["dag"]), "task": task, "dag_run": dag_run, "ti": ti, "task_instance": ti}
    return {**facts["values"], **dates, **names, **_of_callback(ti, more), "macros": MACROS}


def _dag(facts: Mapping[str, Any]) -> SimpleNamespace:
    """Return `dag`; its time zone is UTC if its row in the database has none that is known."""
    try:
        timezone = pendulum.timezone(facts["timezone"])
    except (AttributeError, LookupError, OSError, TypeError, ValueError):
        timezone = pendulum.UTC
    return SimpleNamespace(**{**facts, "timezone": timezone})


def _of_callback(ti: SimpleNamespace, more: Mapping[str, Any]) -> dict[str, Any]:
    """Tell the task and its run how they ended; return the names that only callbacks know."""
    if more:
        vars(ti).update(_end(more), duration=more.get("duration"))
    if run := more.get("dag_run"):
        vars(ti.dag_run).update(_end(run), _instances=[_instance(one) for one in run["instances"]])
    reason = more.get("exception")
    exception = {} if reason is None else {"exception": RuntimeError(reason)}
    return exception | ({"reason": more["reason"]} if "reason" in more else {})


def _end(more: Mapping[str, Any]) -> dict[str, Any]:
    end = more.get("end_date")
    return {"state": more["state"], "end_date": end and moment(end)}


def _instance(row: Mapping[str, Any]) -> SimpleNamespace:
    dates = {name: row[name] and moment(row[name]) for name in ("execution_date", "start_date", "end_date")}
    return SimpleNamespace(**{**row, **dates})


def names_of_sla_miss(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Airflow hands to a callback for missed SLAs, in the order of its arguments."""
    more = facts["more"]["sla_miss"]
    slas = [
        SimpleNamespace(
            **{**row, "execution_date": moment(row["execution_date"]), "timestamp": moment(row["timestamp"])},
            description=None,
            email_sent=False,
            notification_sent=False,
        )
        for row in more["slas"]
    ]
    blocking = [_instance(row) for row in more["blocking"]]
    return {
        "dag": _dag(facts["dag"]),
        "task_list": _lines(slas),
        "blocking_task_list": _lines(blocking),
        "slas": slas,
        "blocking_tis": blocking,
    }


def _lines(instances: Sequence[SimpleNamespace]) -> str:
    return "\n".join(f"{one.task_id} on {one.execution_date.isoformat()}" for one in instances)


def ds_add(ds: str, days: int) -> str:
    """Add days to a date such as 2020-01-31."""
    return (datetime.fromisoformat(ds) + timedelta(days=days)).strftime("%Y-%m-%d")


def ds_format(ds: str, input_format: str, output_format: str) -> str:
    """Convert a date from one format to another."""
    return datetime.strptime(ds, input_format).strftime(output_format)  # noqa: DTZ007 - a date has no zone


def datetime_diff_for_humans(dt: datetime, since: datetime | None = None) -> str:
    """Return how far a date is from another one, or from now: "2 days ago"."""
    return pendulum.instance(dt).diff_for_humans(pendulum.instance(since) if since else None)


# Airflow's common macros. They are functions, never modules, because a module gives a template access to all others.
MACROS = SimpleNamespace(
    datetime=datetime,
    timedelta=timedelta,
    datetime_diff_for_humans=datetime_diff_for_humans,
    dateutil=SimpleNamespace(
        parser=SimpleNamespace(parse=parse), relativedelta=SimpleNamespace(relativedelta=relativedelta)
    ),
    ds_add=ds_add,
    ds_format=ds_format,
    random=random.random,
    json=SimpleNamespace(dumps=json.dumps, loads=json.loads),
    time=SimpleNamespace(time=time.time, strftime=time.strftime),
    uuid=SimpleNamespace(uuid1=uuid.uuid1, uuid4=uuid.uuid4),
)
