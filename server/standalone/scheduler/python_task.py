"""The process of a PythonOperator: calls one function and writes its result.

It is run as a file, on its own, and imports nothing of Windsock: the function has the process to itself.
"""

import importlib
import importlib.util
import inspect
import json
import logging
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from types import ModuleType
from typing import Any

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_LOG_FORMAT = "[%(asctime)s] {%(filename)s:%(lineno)d} %(levelname)s - %(message)s"


def _load(request: dict[str, Any]) -> Callable[..., Any]:
    # After the standard library, because people's files may be called like its modules, and before installed packages.
    place = next((n for n, path in enumerate(sys.path) if path.endswith("-packages")), len(sys.path))
    sys.path[place:place] = [path for path in request["path"] if path]
    if request["file"]:
        module = _load_file(f"windsock_task_{Path(request['file']).stem}", request["file"])
        name = request["name"]
    else:
        path, _, name = request["name"].rpartition(".")
        module = importlib.import_module(path)
    function: Callable[..., Any] = getattr(module, name)
    return function


def _load_file(name: str, file: str | Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        message = f"{file} is not a Python file"
        raise ImportError(message)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _context(function: Callable[..., Any], request: dict[str, Any], pushed: dict[str, Any]) -> dict[str, Any]:
    """Return those values of the context that the function takes by name and does not get otherwise."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return {}
    given = {*request["kwargs"], *(parameter.name for parameter in parameters[: len(request["args"])])}
    named = {parameter.name for parameter in parameters if parameter.kind in _BY_NAME} - given
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    if not named and not takes_all:
        # Modules that the names need are slow to import.
        return {}
    names = _load_file("windsock_names", Path(__file__).with_name("names.py")).names_of(request, pushed)
    context = {**names, "templates_dict": request["templates_dict"]}
    return {name: value for name, value in context.items() if name in named or (takes_all and name not in given)}


def _call(request: dict[str, Any], pushed: dict[str, Any]) -> None:
    function = _load(request)
    if request["more"] is not None:
        _call_back(function, request)
        return
    value = function(*request["args"], **request["kwargs"], **_context(function, request, pushed))
    if request["show_return_value"]:
        print(f"Returned value was: {value}", flush=True)  # noqa: T201 - the log
    if value is not None and request["push"]:
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            message = f"what the function returned cannot be kept for other tasks: {error}; or say do_xcom_push: false"
            raise TypeError(message) from error
        pushed["return_value"] = value


def _call_back(function: Callable[..., Any], request: dict[str, Any]) -> None:
    """Call a function with the context as its one argument; a class with `notify` is a notifier, made first.

    As in Airflow, a function for missed SLAs gets the values of the context as five arguments instead.
    """
    names = _load_file("windsock_names", Path(__file__).with_name("names.py"))
    of_slas = "sla_miss" in request["more"]
    context = names.names_of_sla_miss(request) if of_slas else names.names_of(request, {})
    arguments = tuple(context.values()) if of_slas else (context,)
    if not hasattr(function, "notify"):
        function(*arguments, **request["kwargs"])
        return
    notifier = function(**request["kwargs"])
    if callable(notifier):
        notifier(*arguments)
    else:
        notifier.notify(context)


def _failure(error: BaseException) -> dict[str, Any]:
    """Return how the function failed; Airflow's exceptions are known by their names, wherever they come from."""
    names = {kind.__name__ for kind in type(error).__mro__}
    message = f"{type(error).__name__}: {error}"
    if "AirflowSkipException" in names:
        return {"outcome": "skipped", "message": message}
    traceback.print_exception(error)
    return {"outcome": "failed_for_good" if "AirflowFailException" in names else "failed", "message": message}


def _end(_number: int, _frame: object) -> None:
    """Leave the function with an exception, so that its `finally` runs, as in Airflow."""
    sys.exit("SIGTERM: the task is ended")


def _let_go() -> None:
    if signal.getsignal(signal.SIGTERM) is _end:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _limit_memory(size: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    size = size if hard == resource.RLIM_INFINITY else min(size, hard)
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def main() -> None:
    """Read the request from stdin, call the function, write the result to the file that the request names."""
    request, process = json.load(sys.stdin), os.getpid()
    if isinstance(sys.stdout, TextIOWrapper):
        # A text that cannot be encoded must not fail the task.
        sys.stdout.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format=_LOG_FORMAT)
    if request["memory"] is not None:
        _limit_memory(request["memory"])
    signal.signal(signal.SIGTERM, _end)
    os.register_at_fork(after_in_child=_let_go)
    pushed: dict[str, Any] = {}
    result = {"outcome": "success", "xcoms": pushed}
    try:
        _call(request, pushed)
    except SystemExit as error:
        # exit() without a status, or with 0, is not a failure.
        if error.code:
            result |= _failure(error)
    except Exception as error:  # noqa: BLE001 - whatever the function raises is its task's failure
        result |= _failure(error)
    # A child that the function has forked must not write a result if it returns from the function.
    if os.getpid() == process:
        _leave(request["result_file"], json.dumps(result).encode())


def _leave(path: str, result: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(result)


if __name__ == "__main__":
    main()
