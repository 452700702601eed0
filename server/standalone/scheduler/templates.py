"""Renders what Airflow renders, in Jinja's sandbox: never what a caller sent, only the templates of DAG files."""

import os
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from server.standalone.scheduler.task_outcomes import TaskFailed

_COMMAND_FILES = (".sh", ".bash")
# The exceptions that an expression may raise: jinja's own, and those of Python's operators and functions.
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


class Templates(NamedTuple):
    """The templated fields of a task; texts that end in one of the suffixes are names of template files."""

    fields: Mapping[str, Any]
    files: Mapping[str, tuple[str, ...]]


def templates_of(fields: Mapping[str, Any], templated: Iterable[str]) -> Templates:
    """Return those of the templated fields that are more than plain text.

    As in Airflow, a `bash_command` that ends in .sh or .bash is the name of a file, and so is a text that ends in one
    of the `templates_exts` of a PythonOperator.
    """
    given = {name: fields[name] for name in templated if name in fields}
    files = {
        name: _COMMAND_FILES if name == "bash_command" else tuple(fields.get("templates_exts") or ()) for name in given
    }
    more = {name: value for name, value in given.items() if mentions(value, "{") or _names_file(value, files[name])}
    return Templates(more, files)


def may_pull(templates: Templates) -> bool:
    """Whether they can ask for results of other tasks: in their own text, or in that of a file."""
    return any(
        mentions(value, "xcom_pull") or mentions(value, "{%") or _names_file(value, templates.files[name])
        for name, value in templates.fields.items()
    )


def _names_file(value: Any, files: tuple[str, ...]) -> bool:  # noqa: ANN401 - any YAML value
    return _any_text(value, lambda text: text.endswith(files))


def render_fields(templates: Templates, names: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Render the fields of a task; files are in `folder`. Raises TaskFailed, which names the field."""
    env = _environment(folder)
    rendered = {}
    for field, value in templates.fields.items():
        try:
            rendered[field] = _render(env, value, names, templates.files[field])
        except _ERRORS as error:
            message = f"the template in `{field}` cannot be rendered: {type(error).__name__}: {error}"
            raise TaskFailed(message) from error
    return rendered


def _render(env: SandboxedEnvironment, value: Any, context: Mapping[str, Any], files: tuple[str, ...]) -> Any:  # noqa: ANN401 - any YAML value
    match value:
        case str():
            named = value.endswith(files)
            template = env.get_template(os.path.normpath(value)) if named else env.from_string(value)
            return template.render(context)
        case list():
            return [_render(env, item, context, files) for item in value]
        case dict():
            return {key: _render(env, item, context, files) for key, item in value.items()}
    return value


def mentions(value: Any, word: str) -> bool:  # noqa: ANN401 - any YAML value
    """Whether any text in the value contains this word."""
    return _any_text(value, lambda text: word in text)


def _any_text(value: Any, holds: Callable[[str], bool]) -> bool:  # noqa: ANN401 - any YAML value
    match value:
        case str():
            return holds(value)
        case list():
            return any(_any_text(item, holds) for item in value)
        case dict():
            return any(_any_text(item, holds) for item in value.values())
    return False
