"""The operators that Windsock knows, by every class path that is used in DAG files.

These paths are never imported. An operator without `arguments` is known to the API only: its tasks load and are shown,
but a run fails at them.
"""

from typing import Annotated, Any

from msgspec import Meta, Struct

from server.wire.document import shortened

# `task_instance.operator` stores the name of the class.
_LONGEST_PATH = 500
_EnvValue = str | int | float | bool | None


class BashArguments(Struct, forbid_unknown_fields=True, kw_only=True):
    """The arguments of BashOperator. `env` replaces the environment unless `append_env` is set."""

    bash_command: Annotated[str, Meta(min_length=1)]
    env: dict[str, _EnvValue] | None = None
    append_env: bool = False
    cwd: str | None = None
    output_encoding: str = "utf-8"
    skip_exit_code: int | None = None
    skip_on_exit_code: int | list[int] | None = None
    xcom_push: bool | None = None

    def __post_init__(self) -> None:
        try:
            b"x".decode(self.output_encoding, "replace")
        except (LookupError, ValueError):
            message = f"`output_encoding`: {shortened(self.output_encoding)!r} is not an encoding"
            raise ValueError(message) from None


class PythonArguments(Struct, forbid_unknown_fields=True, kw_only=True):
    """The arguments of PythonOperator: a dotted path, or a file and the name of a function in it."""

    python_callable: str | None = None
    python_callable_file: str | None = None
    python_callable_name: str | None = None
    op_args: list[Any] = []
    op_kwargs: dict[str, Any] = {}
    templates_dict: dict[str, Any] | None = None
    templates_exts: list[str] | None = None
    provide_context: bool = False
    show_return_value_in_logs: bool = True

    def __post_init__(self) -> None:
        given = (self.python_callable, self.python_callable_file, self.python_callable_name)
        if tuple(map(bool, given)) not in {(True, False, False), (False, True, True)}:
            message = "give `python_callable`, or both `python_callable_file` and `python_callable_name`"
            raise ValueError(message)


class HttpArguments(Struct, forbid_unknown_fields=True, kw_only=True):
    """The arguments of SimpleHttpOperator."""

    endpoint: str | None = None
    method: str = "POST"
    data: Any = {}
    headers: dict[str, str] = {}
    extra_options: dict[str, Any] | None = None
    http_conn_id: str = "http_default"
    log_response: bool = False
    xcom_push: bool | None = None


class DummyArguments(Struct, forbid_unknown_fields=True):
    """DummyOperator has no arguments of its own."""


class OperatorType(Struct, frozen=True):
    """An operator class: its name and module in Airflow 1.10, its templated fields, and its arguments."""

    name: str
    module: str
    template_fields: tuple[str, ...] = ()
    ui_color: str = "#fff"
    ui_fgcolor: str = "#000"
    arguments: type[Struct] | None = None

    @property
    def runnable(self) -> bool:
        """Whether the standalone scheduler can run it."""
        return self.arguments is not None


_PYTHON = ("templates_dict", "op_args", "op_kwargs")

BASH = OperatorType(
    "BashOperator",
    "airflow.operators.bash_operator",
    ("bash_command", "env"),
    "#f0ede4",
    arguments=BashArguments,
)
PYTHON = OperatorType(
    "PythonOperator", "airflow.operators.python_operator", _PYTHON, "#ffefeb", arguments=PythonArguments
)
DUMMY = OperatorType("DummyOperator", "airflow.operators.dummy_operator", (), "#e8f7e4", arguments=DummyArguments)
HTTP = OperatorType(
    "SimpleHttpOperator",
    "airflow.operators.http_operator",
    ("endpoint", "data", "headers"),
    "#f4a460",
    arguments=HttpArguments,
)
_BRANCH = OperatorType("BranchPythonOperator", "airflow.operators.python_operator", _PYTHON, "#ffefeb")
_SHORT_CIRCUIT = OperatorType("ShortCircuitOperator", "airflow.operators.python_operator", _PYTHON, "#ffefeb")
_LATEST_ONLY = OperatorType("LatestOnlyOperator", "airflow.operators.latest_only_operator", (), "#e9ffdb")
_TRIGGER = OperatorType(
    "TriggerDagRunOperator",
    "airflow.operators.dagrun_operator",
    ("trigger_dag_id", "execution_date"),
    "#ffefeb",
)
_HTTP_SENSOR = OperatorType("HttpSensor", "airflow.sensors.http_sensor", ("endpoint", "request_params"), "#e6f1f2")
_EXTERNAL_TASK = OperatorType(
    "ExternalTaskSensor",
    "airflow.sensors.external_task_sensor",
    ("external_dag_id", "external_task_id"),
    "#19647e",
)

_STANDARD = "airflow.providers.standard.operators"

OPERATORS: dict[str, OperatorType] = {
    "airflow.operators.bash_operator.BashOperator": BASH,
    "airflow.operators.bash.BashOperator": BASH,
    f"{_STANDARD}.bash.BashOperator": BASH,
    "airflow.operators.python_operator.PythonOperator": PYTHON,
    "airflow.operators.python.PythonOperator": PYTHON,
    f"{_STANDARD}.python.PythonOperator": PYTHON,
    "airflow.operators.dummy_operator.DummyOperator": DUMMY,
    "airflow.operators.dummy.DummyOperator": DUMMY,
    "airflow.operators.empty.EmptyOperator": DUMMY,
    f"{_STANDARD}.empty.EmptyOperator": DUMMY,
    "airflow.operators.http_operator.SimpleHttpOperator": HTTP,
    "airflow.providers.http.operators.http.SimpleHttpOperator": HTTP,
    "airflow.providers.http.operators.http.HttpOperator": HTTP,
    "airflow.operators.python_operator.BranchPythonOperator": _BRANCH,
    "airflow.operators.python.BranchPythonOperator": _BRANCH,
    f"{_STANDARD}.python.BranchPythonOperator": _BRANCH,
    "airflow.operators.python_operator.ShortCircuitOperator": _SHORT_CIRCUIT,
    "airflow.operators.python.ShortCircuitOperator": _SHORT_CIRCUIT,
    f"{_STANDARD}.python.ShortCircuitOperator": _SHORT_CIRCUIT,
    "airflow.operators.latest_only_operator.LatestOnlyOperator": _LATEST_ONLY,
    "airflow.operators.latest_only.LatestOnlyOperator": _LATEST_ONLY,
    f"{_STANDARD}.latest_only.LatestOnlyOperator": _LATEST_ONLY,
    "airflow.operators.dagrun_operator.TriggerDagRunOperator": _TRIGGER,
    "airflow.operators.trigger_dagrun.TriggerDagRunOperator": _TRIGGER,
    f"{_STANDARD}.trigger_dagrun.TriggerDagRunOperator": _TRIGGER,
    "airflow.sensors.http_sensor.HttpSensor": _HTTP_SENSOR,
    "airflow.providers.http.sensors.http.HttpSensor": _HTTP_SENSOR,
    "airflow.sensors.external_task_sensor.ExternalTaskSensor": _EXTERNAL_TASK,
    "airflow.sensors.external_task.ExternalTaskSensor": _EXTERNAL_TASK,
    "airflow.providers.standard.sensors.external_task.ExternalTaskSensor": _EXTERNAL_TASK,
}

_BY_CLASS = {(operator.module, operator.name): operator for operator in OPERATORS.values()}


def find_operator(path: str) -> OperatorType:
    """Return the operator of a class path in a DAG file. Raises ValueError if it is not a dotted path."""
    module, _, name = path.rpartition(".")
    if not module or len(path) > _LONGEST_PATH or not all(part.isidentifier() for part in path.split(".")):
        message = f"{shortened(path)!r} is not a class path such as airflow.operators.bash.BashOperator"
        raise ValueError(message)
    return OPERATORS.get(path) or OperatorType(name, module)


def operator_of_task(module: str, name: str) -> OperatorType:
    """Return the operator of a serialized task, by its `_task_module` and `_task_type`."""
    return _BY_CLASS.get((module, name)) or OperatorType(name, module)
