"""The process of a PythonOperator: calls one function and writes down what came of it.

It is run as a file, by itself, and imports nothing of Windsock: the function has the process to itself.
"""

import importlib
import importlib.util
import inspect
import json
import sys
import traceback
from collections.abc import Callable
from datetime import datetime
from io import TextIOWrapper
from pathlib import Path
from types import SimpleNamespace
from typing import Any

_LONGEST_KEY = 512


def _load(request: dict[str, Any]) -> Callable[..., Any]:
    sys.path[:0] = [path for path in request["path"] if path]
    if request["file"]:
        spec = importlib.util.spec_from_file_location(f"windsock_task_{Path(request['file']).stem}", request["file"])
        if spec is None or spec.loader is None:
            message = f"{request['file']} is no Python file"
            raise ImportError(message)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        name = request["name"]
    else:
        path, _, name = request["name"].rpartition(".")
        module = importlib.import_module(path)
    function: Callable[..., Any] = getattr(module, name)
    return function


class _TaskInstance(SimpleNamespace):
    """`ti` of the function's context."""

    def xcom_pull(self, task_ids: Any = None, dag_id: str | None = None, key: str = "return_value") -> Any:  # noqa: ANN401
        if dag_id not in {None, self.dag_id}:
            message = "xcom_pull reads what tasks of the same run left, nothing else"
            raise ValueError(message)
        if isinstance(task_ids, str):
            return self.xcoms.get((task_ids, key))
        if task_ids is not None:
            return [self.xcoms.get((task_id, key)) for task_id in task_ids]
        values = [value for (_, name), value in self.xcoms.items() if name == key]
        return values[-1] if values else None

    def xcom_push(self, key: str, value: Any) -> None:  # noqa: ANN401 - any JSON value
        json.dumps(value)
        if not isinstance(key, str) or not key or len(key) > _LONGEST_KEY or not key.isprintable():
            message = f"a key is printable text of at most {_LONGEST_KEY} characters: {key!r:.100}"
            raise ValueError(message)
        self.pushed[key] = value


def _context(request: dict[str, Any]) -> dict[str, Any]:
    date = datetime.fromisoformat(request["execution_date"])
    shared = {"dag_id": request["dag"]["dag_id"], "execution_date": date, "run_id": request["values"]["run_id"]}
    dag_run = SimpleNamespace(conf=request["conf"], **shared)
    ti = _TaskInstance(
        task_id=request["task"]["task_id"],
        try_number=request["try_number"],
        dag_run=dag_run,
        xcoms={(task_id, key): value for task_id, key, value in request["xcoms"]},
        pushed={},
        **shared,
    )
    names = {"dag_run": dag_run, "ti": ti, "task_instance": ti, "execution_date": date, "logical_date": date}
    parts = {"dag": SimpleNamespace(**request["dag"]), "task": SimpleNamespace(**request["task"])}
    return {**request["values"], **names, **parts, "templates_dict": request["templates_dict"]}


def _fitting(function: Callable[..., Any], context: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Those of the context's values that the function takes by name."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return {name: value for name, value in context.items() if name not in given}
    keyword = {parameter.name for parameter in parameters if parameter.kind is not parameter.POSITIONAL_ONLY}
    return {name: value for name, value in context.items() if name in keyword and name not in given}


def _call(request: dict[str, Any]) -> dict[str, Any]:
    function = _load(request)
    context = _context(request)
    kwargs = request["kwargs"]
    taken = _taken_by_position(function, len(request["args"]))
    fitting = {name: value for name, value in _fitting(function, context, kwargs).items() if name not in taken}
    value = function(*request["args"], **kwargs, **fitting)
    xcoms = context["ti"].pushed
    if request["show_return_value"]:
        print(f"Returned value was: {value}", flush=True)  # noqa: T201 - the log
    if value is not None and request["push"]:
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            message = f"what the function returned cannot be kept for other tasks: {error}; or say do_xcom_push: false"
            raise TypeError(message) from error
        xcoms = {**xcoms, "return_value": value}
    return {"outcome": "success", "xcoms": xcoms}


def _taken_by_position(function: Callable[..., Any], count: int) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)[:count]
    except (TypeError, ValueError):
        return []


def _failure(error: BaseException) -> dict[str, Any]:
    """Airflow's own exceptions are known by their names: they need not be imported from anywhere in particular."""
    names = {kind.__name__ for kind in type(error).__mro__}
    message = f"{type(error).__name__}: {error}"
    if "AirflowSkipException" in names:
        return {"outcome": "skipped", "message": message}
    traceback.print_exception(error)
    return {"outcome": "failed_for_good" if "AirflowFailException" in names else "failed", "message": message}


def main() -> None:
    """Read the request from stdin, call the function, write the result to the file that the request names."""
    request = json.load(sys.stdin)
    if isinstance(sys.stdout, TextIOWrapper):
        # What cannot be encoded is no reason to fail.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        result = _call(request)
    except SystemExit as error:
        # exit() without a status, or with 0, is no failure.
        result = _failure(error) if error.code else {"outcome": "success", "xcoms": {}}
    except Exception as error:  # noqa: BLE001 - whatever the function raises is its task's failure
        result = _failure(error)
    Path(request["result_file"]).write_text(json.dumps(result), "utf-8")


if __name__ == "__main__":
    main()
