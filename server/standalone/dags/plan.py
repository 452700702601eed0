"""Turns a document into DAG plans: merges defaults, validates keys, resolves dependencies."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from server.standalone.dags import differences, spec
from server.standalone.dags.by_name import NOT_DAGS, by_name
from server.standalone.dags.callbacks import notes_on_slas, with_callbacks
from server.standalone.dags.defaults import dag_section, default_args_of, with_defaults
from server.standalone.dags.edges import Edges
from server.standalone.dags.errors import DagFileError
from server.standalone.dags.groups import Groups, plan_groups
from server.standalone.dags.operators import OperatorType, PythonArguments, find_operator
from server.standalone.dags.schedules import is_no_schedule, parse_schedule, schedule_problem
from server.standalone.dags.section import File, Section
from server.standalone.dags.variables import Environment
from server.wire.document import Document, Problem, shortened, suggestion

_ALONE: Mapping[File, Document] = {}
_EMPTY = Environment()


def plan_dags(
    document: Document,
    fileloc: str,
    defaults: Mapping[File, Document] = _ALONE,
    environment: Environment = _EMPTY,
) -> list[spec.DagPlan]:
    """Return every DAG of the file. Raises DagFileError with the first problem of each DAG that has one.

    `defaults` are the `defaults.yml` files that count for it, the nearest first; `environment` has Airflow's Variables.
    """
    if not isinstance(document.data, dict):
        raise DagFileError(Problem(1, "a DAG file is a mapping of dag_ids"))
    dag_ids = [dag_id for dag_id in document.data if dag_id not in NOT_DAGS]
    document = by_name(with_defaults(document, defaults))
    plans, problems = [], []
    for dag_id in dag_ids:
        try:
            section = dag_section(document, dag_id, list(defaults))
            plans.append(_plan_dag(dag_id, section, Path(fileloc).parent, environment))
        except DagFileError as error:
            problems += [Problem(line, f"DAG {dag_id!r}: {text}") for line, text in error.problems]
    if problems:
        raise DagFileError(*problems)
    return plans


def _plan_dag(dag_id: str, dag: Section, folder: Path, environment: Environment) -> spec.DagPlan:
    _check_id(dag, None, "dag_id", dag_id)
    notes = _notes(dag, spec.IDLE_DAG_KEYS, spec.INSTEAD_IN_DAG) + differences.of_dag(dag_id, dag)
    default_args = default_args_of(dag)
    notes += _notes(default_args, spec.IDLE_TASK_KEYS, spec.INSTEAD_IN_TASK)
    # As with dag-factory, neither time zone has an effect on the dates of the other place.
    default_args = with_callbacks(default_args, folder).as_default_args()
    default_args.only(spec.TASK_OPTIONS).convert(spec.TaskOptions)
    own = with_callbacks(dag.without(spec.DAG_KEYS | spec.IDLE_DAG_KEYS), folder, spec.DAG_CALLBACKS)
    own = own.normalised(dag.zone())
    options = own.only(spec.DAG_OPTIONS).convert(spec.DagOptions)
    groups = plan_groups(dag, default_args, folder)
    written = _schedule_of(dag)
    notes += _contradictions(dag, default_args.data | own.data)
    tasks = _plan_tasks(dag, groups, options.params, folder, environment, notes)
    timezone = _zone_of(options.start_date or default_args.data.get("start_date"))
    callbacks = own.only(spec.DAG_CALLBACKS).data
    problem, has_schedule = None, not is_no_schedule(written)
    if has_schedule:
        starts = filter(None, [options.start_date, *(task.options.start_date or None for task in tasks)])
        problem = schedule_problem(written, timezone, min(starts, default=None))
        notes += [f"its schedule is not run: {problem}"] if problem else []
    notes += notes_on_slas(callbacks, tasks, is_scheduled=has_schedule and problem is None)
    return spec.DagPlan(
        dag_id=dag_id,
        line=dag.document.line((dag_id,)),
        options=options,
        schedule=parse_schedule(written),
        schedule_problem=problem,
        timezone=timezone,
        default_args=default_args.without(spec.CALLBACKS).data,
        groups=list(groups.plans.values()),
        tasks=tasks,
        callbacks=callbacks,
        notes=list(dict.fromkeys(notes)),
    )


def _schedule_of(dag: Section) -> object:
    """Return the schedule as the file has it, which can be parsed; None if there is none."""
    key = "schedule" if "schedule" in dag.data else "schedule_interval"
    if dag.data.get("timetable"):
        if dag.data.get(key) is not None:
            dag.fail("timetable", f"a DAG has a `{key}` or a `timetable`, not both")
        key = "timetable"
    dag.attempt(key, parse_schedule, dag.data.get(key))
    return dag.data.get(key)


def _contradictions(dag: Section, dates: Mapping[str, Any]) -> list[str]:
    notes = []
    if dag.data.keys() >= {"schedule", "schedule_interval"}:
        notes.append("`schedule_interval` has no effect beside `schedule`")
    start, end = (dates.get(name) for name in spec.DATES)
    if start is not None and end is not None and end < start:
        notes.append("its `end_date` is before its `start_date`: no run is between them")
    return notes


def _plan_tasks(
    dag: Section,
    groups: Groups,
    params: dict[str, Any],
    folder: Path,
    environment: Environment,
    notes: list[str],
) -> list[spec.TaskPlan]:
    bodies = dag.child("tasks", "a list of tasks, each with a `task_id`, or a mapping of task ids to tasks")
    if not bodies.data:
        dag.fail("tasks", "a DAG needs `tasks`")
    tasks: dict[str, spec.TaskPlan] = {}
    taken = {group.group_id for group in groups.plans.values()}
    for name in bodies.data:
        task = bodies.child(name)
        notes += _notes(task, spec.IDLE_TASK_KEYS, spec.INSTEAD_IN_TASK) + differences.of_task(name, task)
        task = _with_variables(task, environment, notes)
        group = _group_of(name, task, groups, notes)
        tasks[name] = _plan_task(name, groups.child_id(group, name), task, groups.default_args[group], params, folder)
        tasks[name].group = group
        task_id = tasks[name].task_id
        if task_id in taken or name in groups.plans:
            bodies.fail(name, f"a group or another task has the name {name!r} or the id {task_id!r}, too")
        taken.add(task_id)
    edges = Edges(dag, tasks, groups)
    edges.draw()
    notes += edges.notes()
    return list(tasks.values())


def _with_variables(task: Section, environment: Environment, notes: list[str]) -> Section:
    """Set the arguments that `variables_as_arguments` names to the values of Airflow's Variables."""
    data = dict(task.data)
    wanted = data.pop("variables_as_arguments", [])
    for item in wanted if isinstance(wanted, list) else [None]:
        variable, attribute = (item.get("variable"), item.get("attribute")) if isinstance(item, dict) else (None, None)
        if not isinstance(variable, str) or not isinstance(attribute, str):
            text = "each item of `variables_as_arguments` has the texts `variable` and `attribute`"
            task.fail("variables_as_arguments", text)
        value = environment.airflow_variable(variable, notes)
        if value is not None:
            data[attribute] = value
    return Section(task.document, data, task.places)


def _group_of(name: str, task: Section, groups: Groups, notes: list[str]) -> str | None:
    written = task.data.get("task_group_name")
    if not written:
        return None
    if not groups.plans:
        notes.append("`task_group_name` has no effect, because the DAG has no `task_groups`")
        return None
    if not isinstance(written, str) or written not in groups.plans:
        text = f"task {name!r} is in the group {shortened(str(written))!r}, which is not one of `task_groups`"
        task.fail("task_group_name", text + suggestion(str(written), groups.plans))
    return written


def _plan_task(
    name: str, task_id: str, task: Section, default_args: Section, params: dict[str, Any], folder: Path
) -> spec.TaskPlan:
    _check_id(task, None, "task_id", task_id)
    task.refuse(spec.REFUSED_TASK_KEYS)
    path = task.data.get("operator")
    if not isinstance(path, str):
        task.fail("operator", f"task {name!r} needs an `operator`, the path of a class")
    operator = task.attempt("operator", find_operator, path)
    takes = spec.TASK_OPTIONS.union(operator.arguments.__struct_fields__ if operator.arguments else ())
    start = default_args.data.get("start_date")
    given = with_callbacks(task.without(spec.TASK_KEYS | spec.IDLE_TASK_KEYS), folder)
    given = given.normalised(start.tzinfo if start else UTC).over(default_args, takes.union(spec.CALLBACKS))
    callbacks, given = given.only(spec.CALLBACKS), given.without(spec.CALLBACKS)
    options = given.only(spec.TASK_OPTIONS).convert(spec.TaskOptions)
    if params:
        options.params = params | ({} if options.params is UNSET else options.params)
    return spec.TaskPlan(
        name=name,
        task_id=task_id,
        operator=operator,
        options=options,
        arguments=_arguments(given.without(spec.TASK_OPTIONS), operator, folder),
        dependencies=task.names("dependencies"),
        callbacks=callbacks.data,
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
        result["python_callable_file"] = os.path.normpath(folder / arguments.python_callable_file)
    templated = {field: getattr(arguments, field) for field in operator.template_fields}
    return result | {field: value for field, value in templated.items() if value is not None}


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


def _notes(section: Section, idle: frozenset[str], instead: Mapping[str, str]) -> list[str]:
    return [
        f"`{key}` has no effect" + (f": {instead[key]}" if key in instead else "")
        for key in section.data
        if key in idle
    ]


def _zone_of(start: datetime | None) -> str | int:
    """Return the time zone as Airflow stores it: the name of the start date's zone, or else its offset in seconds."""
    if start is None or start.utcoffset() is None:
        return "UTC"
    name = getattr(start.tzinfo, "key", None)
    offset = int((start.utcoffset() or timedelta()).total_seconds())
    return name or offset or "UTC"
