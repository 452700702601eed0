from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from server.standalone.dags.errors import DagFileError
from server.standalone.dags.plan import plan_dags
from server.standalone.dags.spec import DagOptions, DagPlan, TaskOptions, TaskPlan
from server.wire.document import DocumentError, read_document

BASH = "airflow.operators.bash.BashOperator"


def plan(text: str) -> DagPlan:
    """Plan the one DAG of a file in /dags."""
    (only,) = plan_dags(read_document(text.encode()), "/dags/file.yaml")
    return only


def plan_of(body: dict[str, Any]) -> DagPlan:
    """Plan a DAG that has one task, unless the body says otherwise."""
    return plan(yaml.safe_dump({"one": {"tasks": {"t": {"operator": BASH, "bash_command": "x"}}} | body}))


def task_of(body: dict[str, Any], **dag: object) -> TaskPlan:
    """Plan a BashOperator with these arguments."""
    return plan_of({"tasks": {"t": {"operator": BASH, "bash_command": "x"} | body}} | dag).tasks[0]


def problems(text: str) -> list[str]:
    """Return what is wrong with a file, as its author reads it."""
    with pytest.raises(DocumentError) as caught:
        plan_dags(read_document(text.encode()), "/dags/file.yaml")
    return DagFileError(*caught.value.problems).report("file.yaml").splitlines()


def test_tasks_as_list_and_as_mapping_are_the_same() -> None:
    """A list of tasks with task_ids says what a mapping by task_id says."""
    as_list = plan(f"one:\n  tasks:\n  - {{task_id: a, operator: {BASH}, bash_command: x}}")
    as_mapping = plan(f"one:\n  tasks:\n    a: {{operator: {BASH}, bash_command: x}}")
    as_list.line = as_mapping.line = None
    assert as_list == as_mapping


def test_default_is_merged_below_every_dag() -> None:
    """The block `default` reaches into mappings; a DAG's own values win, and a list as a whole."""
    text = f"""
default:
  catchup: false
  default_args: {{owner: all, retries: 1}}
  tasks:
    a: {{operator: {BASH}, bash_command: default}}
    b: {{operator: {BASH}, bash_command: default, dependencies: [a]}}
one:
  default_args: {{owner: own}}
  tasks:
    a: {{bash_command: own}}
two: {{}}
three:
  tasks:
  - {{task_id: c, operator: {BASH}, bash_command: own}}
"""
    one, two, three = plan_dags(read_document(text.encode()), "/dags/file.yaml")
    assert [task.task_id for task in three.tasks] == ["c"]
    assert one.default_args == {"owner": "own", "retries": 1}
    assert two.default_args == {"owner": "all", "retries": 1}
    assert [task.arguments["bash_command"] for task in one.tasks] == ["own", "default"]
    assert [task.task_id for task in two.tasks] == ["a", "b"]
    assert not one.options.catchup


def test_default_args_reach_tasks() -> None:
    """Options, and arguments that the operator takes, come from `default_args`; others do not."""
    task = task_of(
        {"retries": 2},
        default_args={"retries": 1, "queue": "q", "cwd": "/tmp", "http_conn_id": "x"},  # noqa: S108
    )
    assert (task.options.retries, task.options.queue) == (2, "q")
    assert task.arguments == {"cwd": "/tmp", "bash_command": "x"}  # noqa: S108


@pytest.mark.parametrize(("written", "retries"), [("1", 1), (" +2 ", 2), ("007", 7), (0, 0)])
def test_retries_as_text(written: object, retries: int) -> None:
    """What stands in quotes is the number in it, as Airflow has it of this option; on tasks and in `default_args`."""
    assert task_of({"retries": written}).options.retries == retries
    assert task_of({}, default_args={"retries": written}).options.retries == retries


@pytest.mark.parametrize("written", ["-1", "many", "1.5", "", "9" * 30, "{{ 1 }}"])
def test_retries_that_are_no_number(written: str) -> None:
    """Airflow takes none of them either."""
    with pytest.raises(DocumentError, match="`retries`"):
        task_of({"retries": written})


@pytest.mark.parametrize(
    ("written", "seconds"),
    [({"retry_delay_sec": 30}, 30), ({"retry_delay": "30 seconds"}, 30), ({"retry_delay_secs": 30.0}, 30)],
)
def test_durations_in_all_spellings(written: dict[str, Any], seconds: int) -> None:
    """dag-factory's old `_sec` keys and today's forms mean the same, on tasks and in `default_args`."""
    assert task_of(written).options.retry_delay == seconds
    assert task_of({}, default_args=written).options.retry_delay == seconds


def test_dag_level_times() -> None:
    """A DAG's time limit and dates are read, and its time zone is that of its start."""
    dag = plan_of({"dagrun_timeout_sec": 60, "timezone": "Europe/Warsaw", "start_date": "2020-01-01"})
    assert dag.options.dagrun_timeout == 60
    assert dag.options.start_date is not None
    assert dag.options.start_date.isoformat() == "2020-01-01T00:00:00+01:00"
    assert dag.timezone == "Europe/Warsaw"
    assert plan_of({"start_date": "2020-01-01T00:00:00+05:30"}).timezone == 19800
    assert plan_of({"default_args": {"start_date": "2020-01-01"}}).timezone == "UTC"


def test_a_zone_counts_where_it_stands() -> None:
    """As with dag-factory: that of the DAG for its own dates, that of `default_args` for the dates there."""
    for zones, own, inherited in (
        ({"timezone": "Europe/Warsaw"}, 1, 0),
        ({"default_args": {"timezone": "Europe/Warsaw"}}, 0, 1),
        ({"timezone": "Asia/Tokyo", "default_args": {"timezone": "Europe/Warsaw"}}, 9, 1),
    ):
        args = {"start_date": "2020-01-01", **zones.get("default_args", {})}  # type: ignore[dict-item]
        dag = plan_of({"start_date": "2020-01-01", **zones, "default_args": args})
        assert dag.options.start_date is not None
        offsets = [date.utcoffset() for date in (dag.options.start_date, dag.default_args["start_date"])]
        assert offsets == [timedelta(hours=own), timedelta(hours=inherited)]


def test_typed_values_take_positional_arguments() -> None:
    """`__args__` are those of the constructor."""
    day = {"__type__": "datetime.timedelta", "__args__": [1], "hours": 1}
    assert task_of({"execution_timeout": day}).options.execution_timeout == 90_000
    date = {"__type__": "datetime.datetime", "__args__": [2024, 1, 31]}
    assert plan_of({"start_date": date}).options.start_date == datetime(2024, 1, 31, tzinfo=UTC)


def test_params_of_dag_and_task() -> None:
    """A task sees the DAG's params and its own over them; Param objects count as their default."""
    param = {"__type__": "airflow.models.param.Param", "default": 5, "type": "integer"}
    task = task_of({"params": {"b": 3}}, params={"a": param, "b": 2})
    assert task.options.params == {"a": 5, "b": 3}


def test_names_of_airflow_2_become_those_of_1_10() -> None:
    """Trigger rules and options that were renamed are kept under the name that the database knows."""
    assert task_of({"trigger_rule": "none_failed_min_one_success"}).options.trigger_rule == "none_failed_or_skipped"
    assert task_of({"trigger_rule": "always"}).options.trigger_rule == "dummy"
    assert task_of({"max_active_tis_per_dag": 3}).options.task_concurrency == 3


def test_dependencies_point_both_ways() -> None:
    """`dependencies` names what comes before; each once, however often it is named."""
    dag = plan(
        f"one:\n  tasks:\n    a: {{operator: {BASH}, bash_command: x}}\n"
        f"    b: {{operator: {BASH}, bash_command: x, dependencies: [a, a]}}"
    )
    assert [(task.upstream, task.downstream) for task in dag.tasks] == [(set(), {"b"}), ({"a"}, set())]


def test_callable_files_are_found_beside_the_dag_file() -> None:
    """A relative path counts from the DAG file, nothing is opened."""
    for written, path in [
        ("f.py", "/dags/f.py"),
        ("../f.py", "/f.py"),
        ("/a/f.py", "/a/f.py"),
    ]:
        body = {
            "operator": "airflow.operators.python.PythonOperator",
            "python_callable_file": written,
            "python_callable_name": "go",
        }
        (task,) = plan_of({"tasks": {"t": body}}).tasks
        assert task.arguments["python_callable_file"] == path


def test_unknown_operators_keep_their_arguments() -> None:
    """An operator that nobody knows loads with whatever it was given."""
    body = {
        "operator": "my.Operator",
        "image": "x",
        "on": "2020",
        "wait": {"__type__": "datetime.timedelta", "days": 1},
    }
    (task,) = plan_of({"tasks": {"t": body}}).tasks
    assert task.arguments == {"image": "x", "on": "2020", "wait": 86400.0}


IN_BERLIN = {"__type__": "pendulum.datetime", "year": 2026, "month": 11, "day": 27, "tz": "Europe/Berlin"}

EMPTY_GROUP = {
    "task_groups": {"g": {"dependencies": ["a"]}},
    "tasks": {"a": {"operator": "a.B"}, "b": {"operator": "a.B", "dependencies": ["g"]}},
}


@pytest.mark.parametrize(
    ("dag", "note"),
    [
        ({"schedule": "@daily"}, "schedule is not run"),
        ({"schedule_interval": "0 3 * * *"}, "schedule is not run"),
        ({"schedule": ["s3://data"]}, "schedule is not run"),
        ({"on_retry_callback": "a.b"}, "`on_retry_callback` has no effect: it is called for tasks, so put it into"),
        ({"default_args": {"sla_miss_callback": "a.b"}}, "`sla_miss_callback` has no effect: it is called for a DAG"),
        ({"default_args": {"sla": 60}}, "`sla` has no effect: only an `sla_miss_callback` of the DAG is told"),
        ({"sla_miss_callback": "a.b"}, "`sla_miss_callback` is never called: no task has an `sla`"),
        ({"sla_miss_callback": "a.b", "default_args": {"sla": 60}}, "is never called: only the runs of a schedule"),
        ({"default_args": {"outlets": ["s3://x"]}}, "`outlets` has no effect: there are no data sets here; let"),
        ({"template_searchpath": "/x"}, "template_searchpath"),
        ({"cathcup": False}, "unknown key `cathcup`, did you mean `catchup`?"),
        ({"dag_id": "two"}, "`dag_id` is 'two' here"),
        ({"dag_id": 2}, "`dag_id` is '2' here"),
        ({"tasks": {"t": {"task_id": "u", "operator": "a.B"}}}, "`task_id` is 'u' here"),
        ({"params": {"a": [{"__type__": "airflow.sdk.Asset"}]}}, "`a` stays a plain mapping"),
        ({"schedule": "None", "schedule_interval": "None"}, "`schedule_interval` has no effect beside `schedule`"),
        ({"start_date": "2026-02-01", "default_args": {"end_date": "2026-01-31"}}, "`end_date` is before its `start"),
        (EMPTY_GROUP, "no task is in the group 'g': what depends on it waits for nothing"),
        ({"start_date": IN_BERLIN}, "the `tz` 'Europe/Berlin' of `start_date` has no effect, as with"),
        ({"default_args": {"end_date": IN_BERLIN}}, "`end_date` has no effect, as with dag-factory: the date is in"),
    ],
)
def test_what_has_no_effect_is_noted(dag: dict[str, Any], note: str) -> None:
    """What Airflow would act on and Windsock does not loads, with a note."""
    (only,) = plan_of(dag).notes
    assert note in only


@pytest.mark.parametrize("dag", [{}, {"schedule": None}, {"schedule": "None"}, {"schedule_interval": None}])
def test_no_schedule_needs_no_note(dag: dict[str, Any]) -> None:
    """A DAG without a schedule is what Windsock expects."""
    assert plan_of(dag).notes == []


def test_ids_are_airflows() -> None:
    """Letters of any alphabet, digits, dash, dot and underscore, 250 bytes at most."""
    for good in ("a", "żółć-1.x_Y", "x" * 250):
        text = yaml.safe_dump({good: {"tasks": {good: {"operator": BASH, "bash_command": "x"}}}}, allow_unicode=True)
        assert plan(text).dag_id == good
    for bad in ("a b", "a/b", "", ".", "..", "x" * 251, "ż" * 126, "a\n", "a:b", "☃"):
        assert "only letters" in problems(yaml.safe_dump({bad: {"tasks": {}}}, allow_unicode=True))[0]


EXAMPLE = """\
one:
  catchup: false
  tags: [a]
  default_args: {owner: me, start_date: 2020-01-01}
  tasks:
    - task_id: a
      operator: airflow.operators.bash.BashOperator
      bash_command: echo 1
      env: {A: 1}
    - task_id: b
      operator: airflow.operators.python.PythonOperator
      python_callable: module.function
      dependencies: [a]
      trigger_rule: all_done
      execution_timeout: 5 minutes
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("bash_command:", "bash_comand:", 8, "did you mean `bash_command`"),
        ("bash_command:", "cwd:", 6, "`bash_command` is missing"),
        ("echo 1", "[1]", 8, "`bash_command`: [1] is not text"),
        ("{A: 1}", "{A: [1]}", 9, "`env`"),
        ("dependencies: [a]", "dependencies: [z]", 13, "'z', which is not a task"),
        ("dependencies: [a]", "dependencies: a", 13, "list of names"),
        ("dependencies: [a]", "dependencies: [b]", 10, "b -> b"),
        ("echo 1", "echo 1\n      dependencies: [b]", 6, "in a circle"),
        ("all_done", "all_good", 14, "not one of all_success"),
        ("5 minutes", "5 parsecs", 15, "not a duration"),
        ("task_id: b", "task_id: a", 10, "two tasks"),
        ("task_id: b", "task_id: ../b", 10, "only letters"),
        ("task_id: b", "name: b", 10, "needs a `task_id`"),
        ("tags: [a]", "tags: [a, 3]", 3, "`tags`"),
        ("2020-01-01", "someday", 4, "not a date"),
        ("2020-01-01", "0001-01-01", 4, "`start_date`: '0001-01-01' is before the year 1900"),
        ("catchup: false", "end_date: 1899-12-31T23:00:00Z", 2, "is before the year 1900"),
        ("owner: me", "owner: 3", 4, "`owner`"),
        ("owner: me", "pool: " + "p" * 51, 4, "`pool`"),
        ("owner: me", "timezone: Mars", 4, "Mars"),
        ("owner: me", "retries: -1", 4, "`retries`: -1 is not a whole number from 0 to 2147483647"),
        ("owner: me", "email: {a: b}", 4, "is not text or a list"),
        ("owner: me", "email: [a, 1]", 4, "1 is not text"),
        ("module.function", "3", 12, "`python_callable`"),
        ("python_callable:", "op_args: []\n      image:", 13, "unknown key `image`"),
        ("airflow.operators.bash.BashOperator", "bash", 7, "not a class path"),
        ("operator: airflow.operators.bash.BashOperator", "x: 1", 6, "needs an `operator`"),
        ("env: {A: 1}", "expand: {env: []}", 9, "`expand`: tasks that expand at run time are not supported; write a"),
        ("env: {A: 1}", "partial: {env: []}", 9, "`partial`: tasks that expand at run time are not supported; write a"),
        ("env: {A: 1}", "decorator: a.b", 9, "`decorator`: decorated tasks are not supported; name an `operator`"),
        ("echo 1", "''", 8, "text that is not empty"),
        ("default_args: {", "default_args: [{", 4, "YAML"),
        ("catchup: false", "schedule: 5", 2, "not a schedule"),
        ("catchup: false", "schedule: 0 25 * * *", 2, "`schedule`: '0 25 * * *' is no cron expression"),
    ],
)
def test_problems_have_a_line(old: str, new: str, line: int, words: str) -> None:
    """Every mistake is reported at its line, with words that help."""
    assert old in EXAMPLE
    (only,) = problems(EXAMPLE.replace(old, new))
    if "YAML" not in words:
        assert only.startswith(f"file.yaml:{line}: DAG 'one': ")
    assert words in only


def test_each_dag_reports_its_problem() -> None:
    """A file with two wrong DAGs names both."""
    assert [line.split(": ")[0] for line in problems("one: {}\ntwo: {}\nthree: 3\n")] == ["file.yaml:3"]
    assert [line.split(": ")[0] for line in problems("one: {}\ntwo: {}\n")] == ["file.yaml:1", "file.yaml:2"]


@pytest.mark.parametrize("text", ["[]", "3", "text", "one: 3", "one: []", "default: 3"])
def test_shapes_that_are_no_dags(text: str) -> None:
    """A file that is no mapping of mappings is a problem, not a crash."""
    assert "mapping" in problems(text)[0]


def test_arguments_cannot_pass_for_airflows_own_keys() -> None:
    """An unknown operator's arguments cannot overwrite what describes the task."""
    for key in ("_task_type", "template_fields", "subdag"):
        text = yaml.safe_dump({"one": {"tasks": {"t": {"operator": "my.Operator", key: "x"}}}})
        assert "cannot be called" in problems(text)[0]


STRUCTURE = ["tasks", "default_args", "task_id", "operator", "dependencies", "dag_id", "__type__", "a"]
KEYS = st.sampled_from([*STRUCTURE, *DagOptions.__struct_fields__, *TaskOptions.__struct_fields__])
WORDS = st.sampled_from([BASH, "datetime.timedelta", "a", "b", "2020-01-01", "1 day", "all_done", "UTC"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=30,
)


@given(st.dictionaries(st.sampled_from(["default", "one", "two"]), ANYTHING, max_size=3))
def test_any_structure_is_plans_or_problems(data: dict[str, Any]) -> None:
    """Whatever stands under whatever key, a file is planned or refused; nothing else is raised."""
    with suppress(DocumentError):
        plan_dags(read_document(yaml.safe_dump(data).encode()), "/dags/file.yaml")
