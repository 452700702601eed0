"""Renders Airflow's `log_filename_template`, in the decoder processes.

It is a Jinja template or, in databases that are older, a text for `str.format`. Airflow's own reader of logs gives it
these names.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import jinja2
import msgspec
from jinja2.sandbox import ImmutableSandboxedEnvironment


class LogFacts(msgspec.Struct):
    """What the names of a task instance's logs are made of; dates are texts in ISO format."""

    dag_id: str
    task_id: str
    run_id: str | None
    map_index: int
    date: str | None
    data_interval_start: str | None
    data_interval_end: str | None
    tries: list[int]
    templates: list[str]


LOG_NAME_ERRORS = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a template may raise."""
_LONGEST_NAME = 4096


def render_log_name(facts: LogFacts, template: str, try_number: int) -> str:
    """Return the name of a log, relative to the folder of logs. Raises one of LOG_NAME_ERRORS."""
    if facts.date is None:
        message = "its run has no date"
        raise ValueError(message)
    names = {
        "dag_id": facts.dag_id,
        "task_id": facts.task_id,
        "run_id": facts.run_id,
        "map_index": facts.map_index,
        "try_number": try_number,
    }
    if "{{" in template:
        rendered = _compiled(template).render({**names, **_objects(facts, try_number)})
    else:
        rendered = template.format(**names, **_texts(facts))
    if len(rendered) > _LONGEST_NAME:
        message = f"it makes a name of more than {_LONGEST_NAME} characters"
        raise ValueError(message)
    return rendered


@lru_cache(maxsize=16)
def _compiled(template: str) -> jinja2.Template:
    return ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined).from_string(template)


def _texts(facts: LogFacts) -> Mapping[str, str | None]:
    """Return what else a text for `str.format` may name."""
    return {
        "execution_date": facts.date,
        "logical_date": facts.date,
        "data_interval_start": facts.data_interval_start or "",
        "data_interval_end": facts.data_interval_end or "",
    }


def _objects(facts: LogFacts, try_number: int) -> Mapping[str, Any]:
    """Return what else a Jinja template may name: the part of Airflow's context that its logs need."""
    date = datetime.fromisoformat(str(facts.date))
    run = {"dag_id": facts.dag_id, "run_id": facts.run_id, "execution_date": date, "logical_date": date}
    instance = SimpleNamespace(**run, task_id=facts.task_id, map_index=facts.map_index, try_number=try_number)
    return {
        "ts": facts.date,
        "ts_nodash": f"{date:%Y%m%dT%H%M%S}",
        "ds": f"{date:%Y-%m-%d}",
        "ds_nodash": f"{date:%Y%m%d}",
        "execution_date": date,
        "logical_date": date,
        "ti": instance,
        "task_instance": instance,
        "dag_run": SimpleNamespace(**run),
        "dag": SimpleNamespace(dag_id=facts.dag_id),
        "task": SimpleNamespace(task_id=facts.task_id),
    }
