import hashlib
import json
from typing import Any

from server.standalone.dags.plan import plan_dags
from server.standalone.dags.serialize import DagRow, dag_row, fileloc_hash
from server.wire.document import read_document

INLETS = {"_inlets": {"auto": False, "task_ids": [], "datasets": []}, "_outlets": {"datasets": []}}
BASH = {
    "template_fields": ["bash_command", "env"],
    "ui_color": "#f0ede4",
    "ui_fgcolor": "#000",
    "_task_type": "BashOperator",
    "_task_module": "airflow.operators.bash_operator",
}

# Recorded from Airflow 1.10.15, whose DAGs said in Python what the YAML below says.
ECHO = """
ref_echo:
  schedule: null
  catchup: false
  tags: [ref]
  default_args: {owner: réf, start_date: 2020-01-01, retries: 0, retry_delay_sec: 300}
  tasks:
  - {task_id: echo_conf, operator: airflow.operators.bash_operator.BashOperator, bash_command: echo}
  - task_id: after
    operator: airflow.operators.bash_operator.BashOperator
    bash_command: echo done
    dependencies: [echo_conf]
"""
ECHO_DAG = {
    "_dag_id": "ref_echo",
    "schedule_interval": None,
    "tags": ["ref"],
    "catchup": False,
    "timezone": "UTC",
    "fileloc": "/dags/ref.yaml",
    "default_args": {
        "__var": {
            "owner": "réf",
            "start_date": {"__var": 1577836800.0, "__type": "datetime"},
            "retries": 0,
            "retry_delay": {"__var": 300.0, "__type": "timedelta"},
        },
        "__type": "dict",
    },
    "tasks": [
        BASH
        | INLETS
        | {"_downstream_task_ids": ["after"], "owner": "réf", "start_date": 1577836800.0, "retry_delay": 300.0}
        | {"task_id": "echo_conf", "bash_command": "echo"},
        BASH
        | INLETS
        | {"_downstream_task_ids": [], "owner": "réf", "start_date": 1577836800.0, "retry_delay": 300.0}
        | {"task_id": "after", "bash_command": "echo done"},
    ],
}
UNICODE = """
ref_unicode:
  schedule: "@once"
  description: opis żółć
  doc_md: "# dok"
  params: {p: 1}
  default_args: {owner: właściciel, start_date: "2020-01-01T12:30:00"}
  tasks:
    bash:
      operator: airflow.operators.bash.BashOperator
      bash_command: echo żółć
      env: {A: B}
      queue: q1
      pool: default_pool
      priority_weight: 7
      retries: 3
    py:
      operator: airflow.operators.python.PythonOperator
      python_callable: module.fn
      op_kwargs: {x: [1, {y: null}]}
      dependencies: [bash]
    dummy:
      operator: airflow.operators.empty.EmptyOperator
      trigger_rule: all_done
      doc_md: task doc
      dependencies: [bash]
"""
UNICODE_COMMON = INLETS | {"owner": "właściciel", "start_date": 1577881800.0, "params": {"p": 1}}
UNICODE_DAG = {
    "_dag_id": "ref_unicode",
    "schedule_interval": "@once",
    "_description": "opis żółć",
    "doc_md": "# dok",
    "timezone": "UTC",
    "fileloc": "/dags/ref.yaml",
    "default_args": {
        "__var": {"owner": "właściciel", "start_date": {"__var": 1577881800.0, "__type": "datetime"}},
        "__type": "dict",
    },
    "params": {"p": 1},
    "tasks": [
        UNICODE_COMMON
        | BASH
        | {"_downstream_task_ids": ["dummy", "py"], "task_id": "bash", "priority_weight": 7, "queue": "q1"}
        | {"retries": 3, "bash_command": "echo żółć", "env": {"A": "B"}},
        UNICODE_COMMON
        | {
            "_downstream_task_ids": [],
            "task_id": "py",
            "template_fields": ["templates_dict", "op_args", "op_kwargs"],
            "ui_color": "#ffefeb",
            "ui_fgcolor": "#000",
            "_task_type": "PythonOperator",
            "_task_module": "airflow.operators.python_operator",
            "op_args": [],
            "op_kwargs": {"x": [1, {"y": None}]},
            "python_callable": "module.fn",  # ours: Airflow drops it
        },
        UNICODE_COMMON
        | {
            "_downstream_task_ids": [],
            "task_id": "dummy",
            "template_fields": [],
            "ui_color": "#e8f7e4",
            "ui_fgcolor": "#000",
            "trigger_rule": "all_done",
            "_task_type": "DummyOperator",
            "_task_module": "airflow.operators.dummy_operator",
        },
    ],
}


def row_of(text: str) -> DagRow:
    """Plan and serialize the one DAG of a file."""
    (plan,) = plan_dags(read_document(text.encode()), "/dags/ref.yaml")
    return dag_row(plan, "/dags/ref.yaml")


def dag_of(text: str) -> dict[str, Any]:
    """Return the serialized document of the one DAG of a file, below its version."""
    data = json.loads(row_of(text).data)
    assert data.pop("__version") == 1
    dag: dict[str, Any] = data["dag"]
    return dag


def test_a_dag_with_default_args_is_as_airflow_keeps_it() -> None:
    """The same keys and values as Airflow 1.10.15 has for the same DAG."""
    assert dag_of(ECHO) == ECHO_DAG


def test_a_dag_of_many_kinds_is_as_airflow_keeps_it() -> None:
    """Params, descriptions, three operators, options that differ from the defaults: the same again."""
    assert dag_of(UNICODE) == UNICODE_DAG


def test_http_requests_are_as_airflow_keeps_them() -> None:
    """Templated fields with a default are written although nobody gave them."""
    (task,) = dag_of("d: {tasks: {t: {operator: airflow.operators.http_operator.SimpleHttpOperator, endpoint: get}}}")[
        "tasks"
    ]
    assert {key: task[key] for key in ("endpoint", "data", "headers", "ui_color", "_task_type")} == {
        "endpoint": "get",
        "data": {},
        "headers": {},
        "ui_color": "#f4a460",
        "_task_type": "SimpleHttpOperator",
    }


def test_dag_options() -> None:
    """Limits, dates and switches appear under Airflow's names, only where they were given."""
    dag = dag_of(
        "d:\n  start_date: 2021-01-01\n  end_date: 2022-01-01\n  concurrency: 4\n  max_active_runs: 2\n"
        "  dagrun_timeout: 4 minutes\n  is_paused_upon_creation: true\n"
        "  schedule: {type: timedelta, value: {days: 1}}\n  tasks: {t: {operator: a.B}}"
    )
    del dag["tasks"]
    assert dag == {
        "_dag_id": "d",
        "fileloc": "/dags/ref.yaml",
        "timezone": "UTC",
        "schedule_interval": {"__type": "timedelta", "__var": 86400.0},
        "start_date": 1609459200.0,
        "end_date": 1640995200.0,
        "_concurrency": 4,
        "max_active_runs": 2,
        "dagrun_timeout": 240.0,
        "is_paused_upon_creation": True,
    }


def test_task_options() -> None:
    """Durations are seconds, nested mappings typed, and what equals the default is left out."""
    (task,) = dag_of(
        "d:\n  tasks:\n    t:\n      operator: a.B\n      sla: 1 hour\n      execution_timeout: 5 minutes\n"
        "      email: [a@example.com]\n      retries: 0\n      pool: default_pool\n      depends_on_past: true\n"
        "      executor_config: {K: {n: x}}\n      params: {m: {n: 1}}\n"
    )["tasks"]
    common = {"task_id", "template_fields", "ui_color", "ui_fgcolor", "_task_type", "_task_module", *INLETS}
    assert {key: value for key, value in task.items() if key not in common} == {
        "_downstream_task_ids": [],
        "sla": 3600.0,
        "execution_timeout": 300.0,
        "email": ["a@example.com"],
        "depends_on_past": True,
        "executor_config": {
            "__type": "dict",
            "__var": {"K": {"__type": "dict", "__var": {"n": "x"}}},
        },
        "params": {"m": {"__type": "dict", "__var": {"n": 1}}},
    }


def test_columns_beside_the_document() -> None:
    """Owners are those of the tasks, the schedule is JSON, the hash is the document's."""
    row = row_of(UNICODE)
    assert (row.owners, row.description, row.schedule_interval) == ("właściciel", "opis żółć", '"@once"')
    assert row.dag_hash == hashlib.md5(row.data.encode(), usedforsecurity=False).hexdigest()
    assert row_of(ECHO).schedule_interval == "null"
    assert json.loads(
        row_of("d: {schedule: {type: timedelta, value: {hours: 4}}, tasks: {t: {operator: a.B}}}").schedule_interval
    ) == {"type": "timedelta", "attrs": {"days": 0, "seconds": 14400, "microseconds": 0}}
    assert row_of("d: {tasks: {t: {operator: a.B}, u: {operator: a.B, owner: z}}}").owners == "airflow, z"


def test_the_hash_is_that_of_the_content() -> None:
    """Order and comments do not count, values do."""
    text = "d: {tags: [a], catchup: false, tasks: {t: {operator: a.B}}}"
    same = "# comment\nd: {catchup: false, tags: [a], tasks: {t: {operator: a.B}}}"
    assert row_of(text).dag_hash == row_of(same).dag_hash
    assert row_of(text).dag_hash != row_of(text.replace("false", "true")).dag_hash


def test_fileloc_hash() -> None:
    """A path's key is 56 bits of its SHA-1, so that it fits Postgres' bigint."""
    digest = hashlib.sha1(b"/dags/a.yaml", usedforsecurity=False).hexdigest()
    assert fileloc_hash("/dags/a.yaml") == int(digest[-16:-2], 16) < 2**56
