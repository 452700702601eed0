"""Finds the backend that the configuration names. If it does not fit, the server does not start."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import cast

from server.auth.contract import ANYONE, NOBODY, Backend
from server.errors import StartupError

_OURS = {
    name: f"auth_backends.{name}" for name in ("default", "deny_all", "password_auth", "kerberos_auth", "token_auth")
}

ALIASES: Mapping[str, str] = {
    **_OURS,
    "airflow.api.auth.backend.default": _OURS["default"],
    "airflow.api.auth.backend.deny_all": _OURS["deny_all"],
    "airflow.contrib.auth.backends.password_auth": _OURS["password_auth"],
    "airflow.api.auth.backend.basic_auth": _OURS["password_auth"],
    "airflow.providers.fab.auth_manager.api.auth.backend.basic_auth": _OURS["password_auth"],
    "airflow.api.auth.backend.kerberos_auth": _OURS["kerberos_auth"],
    "airflow.providers.fab.auth_manager.api.auth.backend.kerberos_auth": _OURS["kerberos_auth"],
}
_ARGUMENTS = {"authenticate": "request", "startup": "app", "cleanup": "app", "session_stamp": "app, user",
              "roles": "app, user"}  # fmt: skip
_KINDS = ("users", "principals", "tokens", ANYONE, NOBODY)


def load_backend(name: str) -> Backend:
    """Import the backend with that name or alias; raises StartupError, which says what is wrong with it."""
    path = ALIASES.get(name, name)
    where = f"[api] auth_backend = {name}"
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        raise StartupError(f"{where}: {_not_found(path, error)}") from error
    except (TypeError, ValueError) as error:
        raise StartupError(f"{where}: {path!r} is not the dotted path of a module{_choices()}") from error
    except (Exception, SystemExit) as error:
        # Somebody else's module may raise anything while it is imported: the user needs one line that names it.
        reason = f"{type(error).__name__}: {error}"
        raise StartupError(f"{where}: importing {path} ({_file(path)}) failed: {reason}") from error
    _check(f"{where}: {path} ({module.__file__})", module)
    return cast("Backend", module)


def _not_found(path: str, error: ModuleNotFoundError) -> str:
    missing = error.name or path
    if path == missing or path.startswith(f"{missing}."):
        return f"there is no module {missing}{_choices()}"
    return f"importing {path} ({_file(path)}) failed: it needs the module {missing}, which is not installed"


def _choices() -> str:
    names = ", ".join(_OURS)
    return f"; choose one of {names}, or the dotted path of a module of your own that the server can import"


def _file(path: str) -> str | None:
    if path in sys.modules:
        return sys.modules[path].__file__
    try:
        spec = importlib.util.find_spec(path)
    except (ImportError, ValueError, AttributeError):
        return None
    return spec.origin if spec else None


def _check(where: str, module: ModuleType) -> None:
    if hasattr(module, "requires_authentication"):
        raise StartupError(
            f"{where} is a backend for Airflow's Flask application (it has requires_authentication);"
            " Windsock needs a module with `async def authenticate(request) -> Identity`, see docs/authentication.md"
        )
    if not hasattr(module, "authenticate"):
        raise StartupError(f"{where} lacks `async def authenticate(request) -> Identity`")
    for name, arguments in _ARGUMENTS.items():
        if hasattr(module, name):
            _check_function(where, module, name, arguments)
    if getattr(module, "KIND", "users") not in _KINDS:
        raise StartupError(f"{where}: `KIND` must be one of {', '.join(_KINDS)}")


def _check_function(where: str, module: ModuleType, name: str, arguments: str) -> None:
    function = getattr(module, name)
    if not inspect.iscoroutinefunction(function):
        raise StartupError(f"{where}: `{name}` must be an `async def`")
    try:
        inspect.signature(function).bind(*arguments.split(", "))
    except TypeError as error:
        raise StartupError(f"{where}: `{name}` must take the arguments ({arguments}): {error}") from error
