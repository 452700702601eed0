"""Callbacks as DAG files name them: which forms there are, who inherits them, and what is refused."""

import json
from typing import Any

import pytest

from server.standalone.dags.serialize import dag_row
from tests.unit.test_dags_plan import BASH, plan, plan_of, problems, task_of

HOUR = {"__type__": "datetime.timedelta", "hours": 1}


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ({"on_retry_callback": "a.b.c"}, {"file": None, "name": "a.b.c", "kwargs": {}}),
        (
            {"on_retry_callback": {"callback": "a.B", "text": "x", "after": HOUR}},
            {"file": None, "name": "a.B", "kwargs": {"text": "x", "after": 3600.0}},
        ),
        (
            {"on_retry_callback_file": "f.py", "on_retry_callback_name": "go", "on_retry_callback": "a.b"},
            {"file": "/dags/f.py", "name": "go", "kwargs": {}},
        ),
    ],
)  # fmt: skip
def test_the_forms_of_a_callback(written: dict[str, Any], stored: dict[str, Any]) -> None:
    """A path, a path with arguments, and a function of a file, which wins; on tasks and in `default_args`."""
    assert task_of(written).callbacks == {"on_retry_callback": stored}
    dag = plan_of({"default_args": written})
    assert dag.tasks[0].callbacks == {"on_retry_callback": stored}
    assert dag.notes == []
    serialized = json.loads(dag_row(dag, "/dags/file.yaml").data)["dag"]
    assert serialized["tasks"][0]["_callbacks"] == {"on_retry_callback": stored}
    assert "default_args" not in serialized or "on_retry_callback" not in serialized["default_args"]["__var"]


def test_the_callbacks_of_a_dag() -> None:
    """They are apart from those of its tasks, and typed arguments of theirs are plain, too."""
    own = {
        "on_success_callback": {"callback": "a.B", "after": HOUR},
        "on_failure_callback_file": "f.py",
        "on_failure_callback_name": "go",
        "sla_miss_callback": "a.b",
    }
    default_args = {"on_success_callback": "t.c", "sla_secs": 60, "start_date": "2024-01-01"}
    dag = plan_of(own | {"schedule": "@daily", "default_args": default_args})
    stored = {
        "on_success_callback": {"file": None, "name": "a.B", "kwargs": {"after": 3600.0}},
        "on_failure_callback": {"file": "/dags/f.py", "name": "go", "kwargs": {}},
        "sla_miss_callback": {"file": None, "name": "a.b", "kwargs": {}},
    }
    assert (dag.callbacks, dag.notes) == (stored, [])
    assert dag.tasks[0].callbacks == {"on_success_callback": {"file": None, "name": "t.c", "kwargs": {}}}
    serialized = json.loads(dag_row(dag, "/dags/file.yaml").data)["dag"]
    assert serialized["_callbacks"] == stored
    plain = json.loads(dag_row(plan_of({}), "/dags/file.yaml").data)["dag"]
    assert "_callbacks" not in plain


def test_a_group_and_a_task_win_over_the_dag() -> None:
    """Each callback on its own."""
    group = "{default_args: {on_success_callback: g.b, on_failure_callback: g.b}}"
    text = f"""
one:
  default_args: {{on_success_callback: d.a, on_failure_callback: d.a, on_retry_callback: d.a}}
  task_groups: {{g: {group}}}
  tasks: {{t: {{operator: {BASH}, bash_command: x, task_group_name: g, on_failure_callback: t.c}}}}
"""
    callbacks = plan(text).tasks[0].callbacks
    assert {event: callback["name"] for event, callback in callbacks.items()} == {
        "on_success_callback": "g.b",
        "on_failure_callback": "t.c",
        "on_retry_callback": "d.a",
    }


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("on_failure_callback: nodots", "must be the dotted path of a function"),
        ("on_failure_callback: [a.b]", "not ['a.b']"),
        ("on_failure_callback: {text: x}", "a mapping with `callback`"),
        ("on_failure_callback: a.b()", "the dotted path"),
        ("on_failure_callback_name: go", "give both `on_failure_callback_file`"),
        ("on_failure_callback_file: f.py", "and `on_failure_callback_name`"),
        ("on_failure_callback_file: f.py, on_failure_callback_name: a.b", "a function in it"),
    ],
)
def test_what_is_no_callback(written: str, words: str) -> None:
    """It is refused with its line, and what would be right."""
    text = f"one:\n  tasks:\n    t:\n      {{operator: {BASH}, bash_command: x,\n       {written}}}\n"
    (problem,) = problems(text)
    assert problem.startswith("file.yaml:5: ")
    assert words in problem
    (problem,) = problems(f"one:\n  {{tasks: {{t: {{operator: {BASH}, bash_command: x}}}},\n   {written}}}\n")
    assert problem.startswith("file.yaml:3: ")
    assert words in problem
