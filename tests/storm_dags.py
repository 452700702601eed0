"""The DAGs of a storm: one whose runs are triggered, and others with schedules, whose runs are known beforehand."""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from tests.scheduling import bash, empty

# A task takes the lock of its instance: another try at the same time does not get it, and says so in `doubled`.
TASK = """
exec 9>>"$FOLDER/$NAME.lock"
flock -n 9 || echo "$NAME" >> "$FOLDER/doubled"
{before}
sleep {pause}
exit {status}
"""

_MISSED = timedelta(seconds=3)
_MANY = timedelta(minutes=90)
_RUNS = """
SELECT run_id, execution_date, data_interval_start, data_interval_end, external_trigger, state
FROM dag_run WHERE dag_id = $1 ORDER BY execution_date
"""
_TWICE = """
SELECT dag_id, task_id, execution_date FROM witness WHERE dag_id = ANY ($1) AND new_state = 'success'
GROUP BY dag_id, task_id, execution_date HAVING count(*) > 1
"""
_UNFINISHED = """
SELECT dag_id, task_id, state FROM task_instance WHERE dag_id = ANY ($1) AND state IS DISTINCT FROM 'success'
"""


class Scheduled(NamedTuple):
    """A DAG with a run for each `step` from `first` to `last`."""

    dag_id: str
    schedule: object
    step: timedelta
    first: datetime
    last: datetime
    options: Mapping[str, Any]

    def body(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Return the DAG as a file has it; `task` works."""
        return {
            "schedule": self.schedule,
            "catchup": True,
            "default_args": {"start_date": self.first.isoformat(), "end_date": self.last.isoformat()},
            "tasks": {"start": empty(), "work": {**task, "dependencies": ["start"]}},
            **self.options,
        }

    def runs(self) -> Iterator[tuple[object, ...]]:
        """Yield the rows that there must be in the end."""
        date = self.first
        while date <= self.last:
            yield f"scheduled__{date.isoformat()}", date, date, date + self.step, False, "success"
            date += self.step


def scheduled_dags(now: datetime, seconds: float) -> list[Scheduled]:
    """Return DAGs that are due every few seconds for so long, and one whose runs were all missed before."""
    first = now.replace(microsecond=0) - _MISSED
    last = first + timedelta(seconds=seconds)
    paces: dict[str, tuple[int, dict[str, Any]]] = {
        "every_2s": (2, {}),
        "every_3s": (3, {}),
        "every_7s": (7, {}),
        "one_at_a_time": (5, {"max_active_runs": 1}),
    }
    found = []
    for dag_id, (pace, options) in paces.items():
        schedule = {"__type__": "datetime.timedelta", "seconds": pace}
        found.append(Scheduled(dag_id, schedule, timedelta(seconds=pace), first, last, options))
    until = first.astimezone(UTC).replace(second=0) - timedelta(minutes=2)
    none = {"tasks": {"nothing": empty()}}
    return [*found, Scheduled("missed", "* * * * *", timedelta(minutes=1), until - _MANY, until, none)]


async def wrong_runs(pool: "asyncpg.Pool[asyncpg.Record]", dags: Sequence[Scheduled]) -> list[str]:
    """Say which runs are missing, should not be there, or are not as they should be; empty if all is well."""
    problems = []
    for dag in dags:
        found = {tuple(row) for row in await pool.fetch(_RUNS, dag.dag_id)}
        wanted = set(dag.runs())
        problems += [f"{dag.dag_id} lacks a run: {row}" for row in sorted(wanted - found, key=str)]
        problems += [f"{dag.dag_id} has a run too many: {row}" for row in sorted(found - wanted, key=str)]
    names = [dag.dag_id for dag in dags]
    problems += [f"a scheduled task succeeded twice: {tuple(row)}" for row in await pool.fetch(_TWICE, names)]
    problems += [f"a scheduled task is left: {tuple(row)}" for row in await pool.fetch(_UNFINISHED, names)]
    return problems


def _task(pause: float, *above: str, before: str = "", status: str = "0", **options: object) -> dict[str, Any]:
    env = {"NAME": "{{ dag.dag_id }}.{{ task.task_id }}.{{ run_id }}", "FOLDER": "$FOLDER", "PATH": os.environ["PATH"]}
    command = TASK.format(before=before, pause=pause, status=status)
    return bash(command, *above, env=env, **{"retries": 1000, "retry_delay": 0, "pool": "narrow", **options})


# A function whose result the database could not keep.
POISON = """
import gc, json, os
def poison():
    file = next(o["result_file"] for o in gc.get_objects() if isinstance(o, dict) and "result_file" in o)
    json.dump({"outcome": "success", "xcoms": {"k" * 513: 1}}, open(file, "w"))
    os._exit(0)
"""


def _poison(*above: str) -> dict[str, object]:
    operator = "airflow.operators.python.PythonOperator"
    function = {"python_callable_file": "poison.py", "python_callable_name": "poison"}
    return {"operator": operator, **function, "dependencies": list(above), "retries": 0}


def dags_of_a_storm(folder: Path, scheduled: Sequence[Scheduled]) -> dict[str, dict[str, Any]]:
    """Return the DAGs by name; `folder` is where their tasks take locks."""
    tasks = {
        "start": empty(),
        **{f"work{n}": _task(0.05 + n / 10, "start", pool_slots=1 + n % 2, priority_weight=n) for n in range(4)},
        "flaky": _task(0.05, "start", status="$(( {{ ti.try_number }} % 3 == 0 ? 0 : 1 ))"),
        "fails": _task(0.05, "start", status="1", retries=0),
        "caught": _task(0.05, "fails", trigger_rule="one_failed"),
        "stubborn": _task(60, "start", before="trap '' TERM", execution_timeout=0.2, retries=0),
        "caught_too": _task(0.05, "stubborn", trigger_rule="one_failed"),
        "poison": _poison("start"),
        "caught_poison": _task(0.05, "poison", trigger_rule="one_failed"),
        "end": _task(0.02, "work0", "work1", "work2", "work3", "flaky", "caught", "caught_too", "caught_poison"),
    }
    dags = {dag.dag_id: dag.body(_task(0.02, pool="default_pool")) for dag in scheduled}
    dags["storm"] = {"tasks": tasks, "max_active_runs": 4}
    for task in (task for dag in dags.values() for task in dag["tasks"].values()):
        if "env" in task:
            task["env"] = {**task["env"], "FOLDER": str(folder)}
    return dags
