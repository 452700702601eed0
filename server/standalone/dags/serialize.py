"""Turns DAG plans into Airflow 1.10's serialized form, as `serialized_dag.data` stores it, and its hashes.

Tasks have only what differs from the defaults. Arguments that Airflow would drop because no template uses them stay,
under their own names: the format allows it, and the scheduler reads nothing else.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from msgspec import UNSET, structs

from server.standalone.dags import schedules
from server.standalone.dags.serialize_groups import task_group
from server.standalone.dags.spec import DURATIONS, DagPlan, TaskOptions, TaskPlan

# Airflow's defaults of the options of every task. Owner, queue and retry_delay are left out on purpose, because Airflow
# writes them whenever they are given.
_TASK_DEFAULTS: dict[str, Any] = {
    "email_on_retry": True,
    "email_on_failure": True,
    "retries": 0,
    "retry_exponential_backoff": False,
    "depends_on_past": False,
    "wait_for_downstream": False,
    "params": {},
    "priority_weight": 1,
    "weight_rule": "downstream",
    "pool": "default_pool",
    "pool_slots": 1,
    "trigger_rule": "all_success",
    "executor_config": {},
    "do_xcom_push": True,
}
_DEFAULT_OWNER = "airflow"


class DagRow(NamedTuple):
    """What the tables store about a DAG; `data` is JSON text, `dag_hash` its md5."""

    dag_id: str
    data: str
    dag_hash: str
    owners: str
    description: str | None
    schedule_interval: str
    schedule_problem: str | None
    tags: list[str]
    is_paused: bool | None
    notes: list[str]
    line: int | None


class DagFile(NamedTuple):
    """A file without problems."""

    fileloc: str
    source: str
    rows: Sequence[DagRow]

    @property
    def dag_ids(self) -> list[str]:
        """The DAGs that it defines."""
        return [row.dag_id for row in self.rows]


def dag_row(plan: DagPlan, fileloc: str) -> DagRow:
    """Return the row of a plan. `is_paused` is what the file wants for a new DAG, None if it does not say."""
    data = json.dumps(serialize_dag(plan, fileloc), sort_keys=True, allow_nan=False)
    owners = {plan.default_args.get("owner") or _DEFAULT_OWNER} if not plan.tasks else set()
    owners |= {_DEFAULT_OWNER if task.options.owner is UNSET else task.options.owner for task in plan.tasks}
    return DagRow(
        dag_id=plan.dag_id,
        data=data,
        dag_hash=hashlib.md5(data.encode(), usedforsecurity=False).hexdigest(),
        owners=", ".join(sorted(owners)),
        description=plan.options.description,
        schedule_interval=schedules.column(plan.schedule),
        schedule_problem=plan.schedule_problem,
        tags=list(dict.fromkeys(plan.options.tags)),
        is_paused=plan.options.is_paused_upon_creation,
        notes=plan.notes,
        line=plan.line,
    )


def fileloc_hash(fileloc: str) -> int:
    """Return Airflow's key of a file in `dag_code`: the low 8 bytes of its path's SHA-1, without the last one."""
    digest = hashlib.sha1(fileloc.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[-8:], "big") >> 8


def serialize_dag(plan: DagPlan, fileloc: str) -> dict[str, Any]:
    """Return the document that Airflow 1.10 would store for this DAG."""
    options = plan.options
    dag = {
        "_dag_id": plan.dag_id,
        "fileloc": fileloc,
        "timezone": plan.timezone,
        **schedules.serialized(plan.schedule),
        "tasks": [_serialize_task(task) for task in plan.tasks],
    }
    optional = {
        "_description": options.description,
        "doc_md": options.doc_md,
        "start_date": options.start_date and options.start_date.timestamp(),
        "end_date": options.end_date and options.end_date.timestamp(),
        "catchup": options.catchup,
        "schedule_problem": plan.schedule_problem,
        "_concurrency": options.max_active_tasks or options.concurrency,
        "max_active_runs": options.max_active_runs,
        "dagrun_timeout": options.dagrun_timeout,
        "_default_view": options.default_view,
        "orientation": options.orientation,
        "is_paused_upon_creation": options.is_paused_upon_creation,
        "tags": options.tags or None,
        "params": _encode_members(options.params) or None,
        "_task_group": task_group(plan) if plan.groups else None,
        "_callbacks": plan.callbacks or None,
        "default_args": _encode(_typed_durations(plan.default_args)) if plan.default_args else None,
    }
    return {"__version": 1, "dag": dag | {key: value for key, value in optional.items() if value is not None}}


def _serialize_task(task: TaskPlan) -> dict[str, Any]:
    operator = task.operator
    return {
        **task.arguments,
        **_options(task.options),
        "task_id": task.task_id,
        "template_fields": list(operator.template_fields),
        "ui_color": operator.ui_color,
        "ui_fgcolor": operator.ui_fgcolor,
        "_task_type": operator.name,
        "_task_module": operator.module,
        "_downstream_task_ids": sorted(task.downstream),
        "_inlets": {"auto": False, "task_ids": [], "datasets": []},
        "_outlets": {"datasets": []},
        **({"_callbacks": task.callbacks} if task.callbacks else {}),
    }


def _options(options: TaskOptions) -> dict[str, Any]:
    given = {key: value for key, value in structs.asdict(options).items() if value is not UNSET}
    return {
        key: _encode_option(key, value)
        for key, value in given.items()
        if key not in _TASK_DEFAULTS or value != _TASK_DEFAULTS[key]
    }


def _encode_option(key: str, value: Any) -> Any:  # noqa: ANN401 - any YAML value
    if isinstance(value, datetime):
        return value.timestamp()
    if key == "params":
        return _encode_members(value)
    return _encode(value)


def _typed_durations(default_args: Mapping[str, Any]) -> dict[str, Any]:
    return {key: timedelta(seconds=value) if key in DURATIONS else value for key, value in default_args.items()}


def _encode(value: Any) -> Any:  # noqa: ANN401 - any YAML value
    match value:
        case datetime():
            return {"__var": value.timestamp(), "__type": "datetime"}
        case timedelta():
            return {"__var": value.total_seconds(), "__type": "timedelta"}
        case dict():
            return {"__var": _encode_members(value), "__type": "dict"}
        case list():
            return [_encode(item) for item in value]
    return value


def _encode_members(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _encode(item) for key, item in value.items()}
