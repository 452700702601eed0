"""Authentication: the contract of a backend, and loading the one that `[api] auth_backend` names.

A backend is a module. It must have

    async def authenticate(request: aiohttp.web.Request) -> Identity

which answers who is asking, raises `errors.Unauthorized` with a `WWW-Authenticate` challenge when there are no usable
credentials, and `errors.Forbidden` when they are refused. It may have

    async def startup(app: aiohttp.web.Application) -> None     before the first request; an error stops the start
    async def cleanup(app: aiohttp.web.Application) -> None     after the last request
    CHECK_HOST: bool                                            see `auth_backends.default`
"""

import importlib
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, cast

from aiohttp import web

from server.errors import StartupError

ALIASES: Mapping[str, str] = {
    "default": "auth_backends.default",
    "airflow.api.auth.backend.default": "auth_backends.default",
    "deny_all": "auth_backends.deny_all",
    "airflow.api.auth.backend.deny_all": "auth_backends.deny_all",
}


@dataclass(frozen=True)
class Identity:
    """Who is asking: `user` is None under a backend that does not ask; `headers` go with the answer."""

    user: str | None
    headers: Mapping[str, str] = field(default_factory=dict)


class Backend(Protocol):
    """What a backend module offers; the hooks and CHECK_HOST are optional."""

    async def authenticate(self, request: web.Request) -> Identity:
        """Answer who is asking, or raise Unauthorized or Forbidden."""


def load_backend(name: str) -> Backend:
    """Import the backend of that name or alias; raises StartupError, which says what is wrong with it."""
    path = ALIASES.get(name, name)
    try:
        module = importlib.import_module(path)
    except ImportError as error:
        raise StartupError(
            f"[api] auth_backend = {name}: cannot import {path} ({error});"
            f" choose one of {', '.join(sorted(ALIASES))}, or the dotted path of your own module"
        ) from error
    _check(name, module)
    return cast("Backend", module)


def _check(name: str, module: object) -> None:
    where = f"[api] auth_backend = {name} ({getattr(sys.modules.get(ALIASES.get(name, name)), '__file__', None)})"
    if hasattr(module, "requires_authentication"):
        raise StartupError(
            f"{where} is a backend for Airflow's Flask application (it has requires_authentication);"
            " Windsock needs a module with `async def authenticate(request) -> Identity`"
        )
    if not inspect.iscoroutinefunction(getattr(module, "authenticate", None)):
        raise StartupError(f"{where} lacks `async def authenticate(request) -> Identity`")
    for hook in ("startup", "cleanup"):
        if not inspect.iscoroutinefunction(getattr(module, hook, _absent)):
            raise StartupError(f"{where}: `{hook}` must be `async def {hook}(app)`")


async def _absent(_app: web.Application) -> None:
    """Stand in for a hook that a backend does not have."""
