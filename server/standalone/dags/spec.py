"""The format of a DAG file: the keys of a DAG and of a task, their types, and those that cannot work."""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from server.standalone.dags.operators import OperatorType
from server.standalone.dags.schedules import KEYS, Schedule

ID_LENGTH = 250

# `\w` as in Airflow, with letters of every alphabet; "." and ".." would be folders, in logs and in URLs.
Identifier = Annotated[str, Meta(pattern=r"^(?!\.{1,2}$)[\w.\-]+\Z", max_length=ID_LENGTH)]
_Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]
_Seconds = Annotated[float, Meta(ge=0)]

TriggerRule = Literal[
    "all_success",
    "all_failed",
    "all_done",
    "one_success",
    "one_failed",
    "one_done",
    "none_failed",
    "none_failed_or_skipped",
    "none_skipped",
    "all_skipped",
    "dummy",
]

# Airflow 2 renamed two rules; the database stores the names of 1.10.
RENAMED_RULES = {"none_failed_min_one_success": "none_failed_or_skipped", "always": "dummy"}


class TaskOptions(Struct, kw_only=True, omit_defaults=True):
    """The options of every task, under Airflow 1.10's names, with durations in seconds. Unset: not given."""

    owner: str | UnsetType = UNSET
    email: str | list[str] | UnsetType = UNSET
    email_on_retry: bool | UnsetType = UNSET
    email_on_failure: bool | UnsetType = UNSET
    retries: Annotated[int, Meta(ge=0, le=2**31 - 1)] | UnsetType = UNSET
    retry_delay: _Seconds | UnsetType = UNSET
    retry_exponential_backoff: bool | UnsetType = UNSET
    max_retry_delay: _Seconds | UnsetType = UNSET
    start_date: datetime | UnsetType = UNSET
    end_date: datetime | UnsetType = UNSET
    depends_on_past: bool | UnsetType = UNSET
    wait_for_downstream: bool | UnsetType = UNSET
    params: dict[str, Any] | UnsetType = UNSET
    priority_weight: Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)] | UnsetType = UNSET
    weight_rule: Literal["downstream", "upstream", "absolute"] | UnsetType = UNSET
    queue: Annotated[str, Meta(min_length=1, max_length=256)] | UnsetType = UNSET
    pool: Annotated[str, Meta(min_length=1, max_length=50)] | UnsetType = UNSET
    pool_slots: _Count | UnsetType = UNSET
    sla: _Seconds | UnsetType = UNSET
    execution_timeout: _Seconds | UnsetType = UNSET
    trigger_rule: TriggerRule | UnsetType = UNSET
    task_concurrency: _Count | UnsetType = UNSET
    run_as_user: str | UnsetType = UNSET
    executor_config: dict[str, Any] | UnsetType = UNSET
    do_xcom_push: bool | UnsetType = UNSET


class DagOptions(Struct, kw_only=True, forbid_unknown_fields=True):
    """The options of a DAG besides its tasks and `default_args`."""

    description: str | None = None
    doc_md: str | None = None
    start_date: datetime | None = None
    end_date: datetime | None = None
    catchup: bool | None = None
    concurrency: _Count | None = None
    max_active_tasks: _Count | None = None
    max_active_runs: _Count | None = None
    dagrun_timeout: _Seconds | None = None
    params: dict[str, Any] = {}
    tags: list[Annotated[str, Meta(min_length=1, max_length=100)]] = []
    default_view: str | None = None
    orientation: str | None = None
    is_paused_upon_creation: bool | None = None


class GroupOptions(Struct, kw_only=True, forbid_unknown_fields=True):
    """The options of a task group besides its name, place, dependencies and `default_args`."""

    prefix_group_id: bool = True
    tooltip: str = ""
    ui_color: str = "CornflowerBlue"
    ui_fgcolor: str = "#000"
    add_suffix_on_collision: bool = False


class GroupPlan(Struct, kw_only=True):
    """A task group that is ready to be written. The sets have what is directly before and after the whole group.

    `name` is its key in the file, `group_id` may begin with the ids of the groups around it.
    """

    name: str
    group_id: str
    parent: str | None
    options: GroupOptions
    dependencies: list[str]
    upstream_groups: set[str] = set()
    downstream_groups: set[str] = set()
    upstream_tasks: set[str] = set()
    downstream_tasks: set[str] = set()

    def child_id(self, name: str) -> str:
        """Return the id of a task or group directly within it."""
        return f"{self.group_id}.{name}" if self.options.prefix_group_id else name


class TaskPlan(Struct, kw_only=True):
    """A task that is ready to be written: options, the operator's own arguments, its group, its neighbours' ids.

    `name` is its key in the file, without the group.
    """

    name: str
    task_id: str
    group: str | None = None
    operator: OperatorType
    options: TaskOptions
    arguments: dict[str, Any]
    dependencies: list[str]
    callbacks: dict[str, Any] = {}
    upstream: set[str] = set()
    downstream: set[str] = set()


class DagPlan(Struct, kw_only=True):
    """A DAG that is ready to be written. `notes` are for its author: they name what is accepted but has no effect."""

    dag_id: str
    line: int | None
    options: DagOptions
    schedule: Schedule
    schedule_problem: str | None
    """Why the schedule that the file has is not run."""
    timezone: str | int
    default_args: dict[str, Any]
    groups: list[GroupPlan]
    tasks: list[TaskPlan]
    callbacks: dict[str, Any]
    notes: list[str]


DAG_OPTIONS = frozenset(DagOptions.__struct_fields__)
DATES = ("start_date", "end_date")
DURATIONS = ("retry_delay", "max_retry_delay", "execution_timeout", "sla", "dagrun_timeout")
TASK_OPTIONS = frozenset(TaskOptions.__struct_fields__)

# dag-factory's older spellings, and the options that Airflow 2 renamed.
RENAMED_OPTIONS = {f"{name}_{unit}": name for name in DURATIONS for unit in ("sec", "secs")} | {
    "max_active_tis_per_dag": "task_concurrency",
}

# Keys with a special meaning, which are taken out before the rest is validated.
DAG_KEYS = frozenset({"dag_id", "default_args", "tasks", "task_groups", "timezone", *KEYS})
TASK_KEYS = frozenset({"task_id", "operator", "dependencies", "task_group_name", "parent_group_name"})
GROUP_KEYS = TASK_KEYS | {"group_name", "group_id", "default_args"} - {"task_id"}

_NO_EXPANSION = "tasks that expand at run time are not supported; write a task for each value, or loop within one task"
REFUSED_TASK_KEYS = {
    "expand": _NO_EXPANSION,
    "partial": _NO_EXPANSION,
    "decorator": "decorated tasks are not supported; name an `operator`, for a function the PythonOperator",
}

CALLBACKS = (
    "on_execute_callback",
    "on_success_callback",
    "on_failure_callback",
    "on_retry_callback",
    "on_skipped_callback",
)
"""The callbacks of a task; `dags.callbacks` brings the keys of a file into this form."""
DAG_CALLBACKS = ("on_success_callback", "on_failure_callback", "sla_miss_callback")
"""The callbacks of a DAG: for the ends of its runs, and for tasks that miss their `sla`."""
_SUFFIXES = ("", "_name", "_file")
_TASK_CALLBACK_KEYS = frozenset(f"{name}{suffix}" for name in CALLBACKS for suffix in _SUFFIXES)
DAG_CALLBACK_KEYS = frozenset(f"{name}{suffix}" for name in DAG_CALLBACKS for suffix in _SUFFIXES)
_OF_DAGS_ONLY = DAG_CALLBACK_KEYS - _TASK_CALLBACK_KEYS
_OF_TASKS_ONLY = _TASK_CALLBACK_KEYS - DAG_CALLBACK_KEYS

# dag-factory and Airflow know these keys; here they load with a note and have no effect.
IDLE_TASK_KEYS = _OF_DAGS_ONLY | {
    "doc",
    "doc_json",
    "doc_md",
    "doc_rst",
    "doc_yaml",
    "inlets",
    "outlets",
    "resources",
}
IDLE_DAG_KEYS = _OF_TASKS_ONLY | {
    "access_control",
    "allowed_run_types",
    "auto_register",
    "dag_display_name",
    "deadline",
    "doc_md_file_path",
    "doc_md_python_arguments",
    "doc_md_python_callable_file",
    "doc_md_python_callable_name",
    "fail_fast",
    "fail_stop",
    "jinja_environment_kwargs",
    "max_consecutive_failed_dag_runs",
    "owner_links",
    "render_template_as_native_obj",
    "template_searchpath",
    "template_undefined",
    "user_defined_filters",
    "user_defined_macros",
}

_NO_DATA_SETS = "there are no data sets here; let a last task trigger what comes next, over the API"
# What to do instead, for those keys where there is something.
INSTEAD_IN_TASK = {
    "inlets": _NO_DATA_SETS,
    "outlets": _NO_DATA_SETS,
    **dict.fromkeys(_OF_DAGS_ONLY, "it is called for a DAG, so put it into the DAG itself"),
}
INSTEAD_IN_DAG = INSTEAD_IN_TASK | dict.fromkeys(
    _OF_TASKS_ONLY, "it is called for tasks, so put it into `default_args` or a task"
)

# Arguments of unknown operators are stored beside Airflow's own keys, so they must not have the same names.
RESERVED = frozenset({"template_fields", "ui_color", "ui_fgcolor", "subdag", "label", "deps", "operator_extra_links"})
