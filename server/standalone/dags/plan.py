"""Turns a document into DAG plans: merges defaults, validates keys, resolves dependencies."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from server.standalone.dags import differences, spec
from server.standalone.dags.errors import DagFileError
from server.standalone.dags.operators import OperatorType, PythonArguments, find_operator
from server.standalone.dags.section import Section, merge, without_nulls
from server.standalone.dags.tasklist import tasks_by_id
from server.standalone.dags.times import is_no_schedule, parse_schedule, zone
from server.wire.document import Document, Problem

# At most this many tasks of a circle are named.
_SHOWN = 10


def plan_dags(document: Document, fileloc: str) -> list[spec.DagPlan]:
    """Return every DAG of the file. Raises DagFileError with the first problem of each DAG that has one."""
    if not isinstance(document.data, dict):
        raise DagFileError(Problem(1, "a DAG file is a mapping of dag_ids"))
    document = tasks_by_id(document)
    default = document.data.get("default") or {}
    plans, problems = [], []
    for dag_id, body in document.data.items():
        if dag_id == "default":
            continue
        try:
            section = Section(document, without_nulls(merge(default, body)), ((dag_id,), ("default",)))
            plans.append(_plan_dag(dag_id, section, Path(fileloc).parent))
        except DagFileError as error:
            problems += [Problem(line, f"DAG {dag_id!r}: {text}") for line, text in error.problems]
    if problems:
        raise DagFileError(*problems)
    return plans


def _plan_dag(dag_id: str, dag: Section, folder: Path) -> spec.DagPlan:
    _check_id(dag, None, "dag_id", dag_id)
    dag.refuse(spec.REFUSED_DAG_KEYS)
    notes = _notes(dag, spec.IDLE_DAG_KEYS) + differences.of_dag(dag_id, dag)
    default_args = dag.child("default_args")
    notes += _notes(default_args, spec.IDLE_TASK_KEYS)
    # As with dag-factory, neither time zone has an effect on the dates of the other place.
    default_args = default_args.without({*spec.IDLE_TASK_KEYS, "timezone"}).normalised(_zone(default_args))
    default_args.only(spec.TASK_OPTIONS).convert(spec.TaskOptions)
    own = dag.without(spec.DAG_KEYS | spec.IDLE_DAG_KEYS).normalised(_zone(dag))
    options = own.only(spec.DAG_OPTIONS).convert(spec.DagOptions)
    key = "schedule" if "schedule" in dag.data else "schedule_interval"
    schedule = dag.attempt(key, parse_schedule, dag.data.get(key))
    if not is_no_schedule(dag.data.get(key)):
        notes.append("its schedule is not run: Windsock runs what is triggered")
    return spec.DagPlan(
        dag_id=dag_id,
        line=dag.document.line((dag_id,)),
        options=options,
        schedule=schedule,
        timezone=_zone_of(options.start_date or default_args.data.get("start_date")),
        default_args=default_args.data,
        tasks=_plan_tasks(dag, default_args, options.params, folder, notes),
        notes=list(dict.fromkeys(notes)),
    )


def _plan_tasks(
    dag: Section, default_args: Section, params: dict[str, Any], folder: Path, notes: list[str]
) -> list[spec.TaskPlan]:
    bodies = dag.child("tasks", "a list of tasks, each with a `task_id`, or a mapping of task ids to tasks")
    if not bodies.data:
        dag.fail("tasks", "a DAG needs `tasks`")
    tasks: dict[str, spec.TaskPlan] = {}
    for task_id in bodies.data:
        task = bodies.child(task_id)
        notes += _notes(task, spec.IDLE_TASK_KEYS) + differences.of_task(task_id, task)
        tasks[task_id] = _plan_task(task_id, task, default_args, params, folder)
    for task_id, plan in tasks.items():
        for upstream in plan.upstream:
            if upstream not in tasks:
                bodies.child(task_id).fail(
                    "dependencies", f"task {task_id!r} depends on {upstream!r}, which is not a task"
                )
            tasks[upstream].downstream.append(task_id)
    _refuse_circle(bodies, tasks)
    return list(tasks.values())


def _plan_task(
    task_id: str, task: Section, default_args: Section, params: dict[str, Any], folder: Path
) -> spec.TaskPlan:
    _check_id(task, None, "task_id", task_id)
    task.refuse(spec.REFUSED_TASK_KEYS)
    path = task.data.get("operator")
    if not isinstance(path, str):
        task.fail("operator", f"task {task_id!r} needs an `operator`, the path of a class")
    operator = task.attempt("operator", find_operator, path)
    takes = spec.TASK_OPTIONS.union(operator.arguments.__struct_fields__ if operator.arguments else ())
    start = default_args.data.get("start_date")
    given = task.without(spec.TASK_KEYS | spec.IDLE_TASK_KEYS)
    given = given.normalised(start.tzinfo if start else UTC).over(default_args, takes)
    options = given.only(spec.TASK_OPTIONS).convert(spec.TaskOptions)
    if params:
        options.params = params | ({} if options.params is UNSET else options.params)
    return spec.TaskPlan(
        task_id=task_id,
        operator=operator,
        options=options,
        arguments=_arguments(given.without(spec.TASK_OPTIONS), operator, folder),
        upstream=task.names("dependencies"),
        downstream=[],
    )


def _arguments(given: Section, operator: OperatorType, folder: Path) -> dict[str, Any]:
    """Return the given arguments, and the templated fields that have a value without being given."""
    if operator.arguments is None:
        for key in given.data:
            if key.startswith("_") or key in spec.RESERVED:
                given.fail(key, f"an argument cannot be called `{key}`")
        return given.data
    arguments = given.convert(operator.arguments)
    result = dict(given.data)
    if isinstance(arguments, PythonArguments) and arguments.python_callable_file:
        file = os.path.expandvars(arguments.python_callable_file)
        result["python_callable_file"] = os.path.normpath(folder / file)
    templated = {field: getattr(arguments, field) for field in operator.template_fields}
    return result | {field: value for field, value in templated.items() if value is not None}


def _refuse_circle(bodies: Section, tasks: Mapping[str, spec.TaskPlan]) -> None:
    try:
        TopologicalSorter({task_id: task.upstream for task_id, task in tasks.items()}).prepare()
    except CycleError as error:
        circle = error.args[1]
        shown = circle if len(circle) <= _SHOWN else [*circle[:_SHOWN], "..."]
        bodies.fail(circle[0], f"the tasks wait for each other in a circle: {' -> '.join(shown)}")


def _check_id(section: Section, key: str | None, kind: str, value: str) -> None:
    try:
        msgspec.convert(value, spec.Identifier)
        # It is also the name of a log folder.
        fits = len(value.encode(errors="replace")) <= spec.ID_LENGTH
    except msgspec.ValidationError:
        fits = False
    if not fits:
        shown = value if len(value) <= spec.ID_LENGTH else f"{value[:40]}..."
        text = f"{kind} {shown!r}: only letters, digits, '-', '_' and '.', at most {spec.ID_LENGTH} bytes of them"
        section.fail(key, text)


def _notes(section: Section, idle: frozenset[str]) -> list[str]:
    return [f"`{key}` has no effect" for key in section.data if key in idle]


def _zone(section: Section) -> tzinfo:
    return section.attempt("timezone", lambda given: zone(str(given)), section.data.get("timezone", "UTC"))


def _zone_of(start: datetime | None) -> str | int:
    """Return the time zone as Airflow stores it: the name of the start date's zone, or else its offset in seconds."""
    if start is None or start.utcoffset() is None:
        return "UTC"
    name = getattr(start.tzinfo, "key", None)
    offset = int((start.utcoffset() or timedelta()).total_seconds())
    return name or offset or "UTC"
