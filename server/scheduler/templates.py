"""Renders what Airflow renders, in Jinja's sandbox: never what the caller of the API sent, only what it is put into."""

import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from server.scheduler.errors import TaskFailed

_FILES = {"bash_command": (".sh", ".bash")}
# What an expression of a template may raise: jinja's own errors, and those of Python's operators and functions.
_ERRORS = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@lru_cache(maxsize=256)
def _environment(folder: str) -> SandboxedEnvironment:
    env = SandboxedEnvironment(loader=jinja2.FileSystemLoader(folder), keep_trailing_newline=True, cache_size=400)
    env.filters |= {
        "ds": lambda date: f"{date:%Y-%m-%d}",
        "ds_nodash": lambda date: f"{date:%Y%m%d}",
        "ts": lambda date: date.isoformat(),
        "ts_nodash": lambda date: f"{date:%Y%m%dT%H%M%S}",
    }
    return env


def templates_of(fields: Mapping[str, Any], templated: Iterable[str]) -> dict[str, Any]:
    """Those of the templated fields that are more than plain text."""
    return {name: fields[name] for name in templated if name in fields and _is_template(name, fields[name])}


def _is_template(name: str, value: Any) -> bool:  # noqa: ANN401 - any YAML value
    return mentions(value, "{") or (isinstance(value, str) and value.endswith(_FILES.get(name, ())))


def render_fields(fields: Mapping[str, Any], names: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Render fields of a task. Raises TaskFailed, which names the field.

    A command that ends in .sh or .bash is the name of a template in the DAG file's folder, as in Airflow.
    """
    env = _environment(folder)
    rendered = {}
    for field, value in fields.items():
        try:
            rendered[field] = _render(env, value, names, _FILES.get(field, ()))
        except _ERRORS as error:
            message = f"the template in `{field}` cannot be rendered: {type(error).__name__}: {error}"
            raise TaskFailed(message) from error
    return rendered


def _render(env: SandboxedEnvironment, value: Any, context: Mapping[str, Any], files: tuple[str, ...]) -> Any:  # noqa: ANN401 - any YAML value
    match value:
        case str():
            named = bool(files) and value.endswith(files)
            template = env.get_template(os.path.normpath(value)) if named else env.from_string(value)
            return template.render(context)
        case list():
            return [_render(env, item, context, files) for item in value]
        case dict():
            return {key: _render(env, item, context, files) for key, item in value.items()}
    return value


def mentions(value: Any, word: str) -> bool:  # noqa: ANN401 - any YAML value
    """Whether a text anywhere in the value has this word."""
    match value:
        case str():
            return word in value
        case list():
            return any(mentions(item, word) for item in value)
        case dict():
            return any(mentions(item, word) for item in value.values())
    return False
