"""Task groups in DAG files; `test_dags_as_dag_factory.py` compares many with what dag-factory makes of them."""

import json
from collections.abc import Mapping

import pytest
import yaml

from server.standalone.dags.plan import plan_dags
from server.standalone.dags.serialize import dag_row, serialize_dag
from server.standalone.dags.spec import DagPlan
from server.wire.document import read_document
from tests.unit.test_dags_plan import BASH, plan, problems

ETL = f"""\
etl:
  default_args: {{owner: dag, retries: 1, queue: q}}
  task_groups:
    - group_name: load
      tooltip: into the store
      parent_group_name: all
      dependencies: [check]
      default_args: {{owner: load}}
    - group_name: check
      parent_group_name: all
      prefix_group_id: false
    - group_name: all
      default_args: {{owner: all, retries: 2, cwd: /tmp}}
      dependencies: [begin]
  tasks:
    begin: {{operator: {BASH}, bash_command: x}}
    a: {{operator: {BASH}, bash_command: x, task_group_name: check, retries: 5}}
    b: {{operator: {BASH}, bash_command: x, task_group_name: check, dependencies: [a]}}
    c: {{operator: {BASH}, bash_command: x, task_group_name: load}}
    d: {{operator: {BASH}, bash_command: x, task_group_name: load, dependencies: [c]}}
    end: {{operator: {BASH}, bash_command: x, dependencies: [all]}}
"""


def upstream(dag: DagPlan) -> dict[str, list[str]]:
    """Return the ids that come before each task."""
    return {task.task_id: sorted(task.upstream) for task in dag.tasks}


def test_groups_nest_and_stand_for_their_ends() -> None:
    """Ids have the groups that are prefixes; what waits for a group waits for its last tasks."""
    assert upstream(plan(ETL)) == {
        "begin": [],
        "a": ["begin"],
        "b": ["a"],
        "all.load.c": ["b"],
        "all.load.d": ["all.load.c"],
        "end": ["all.load.d", "b"],
    }


def test_the_defaults_of_groups_reach_their_tasks() -> None:
    """The innermost group wins over those around it, these over the DAG, and the task over all."""
    tasks = {task.name: task for task in plan(ETL).tasks}
    assert [tasks[name].options.owner for name in ("begin", "a", "c")] == ["dag", "all", "load"]
    assert [tasks[name].options.retries for name in ("begin", "a", "c")] == [1, 5, 2]
    assert tasks["c"].options.queue == "q"
    assert tasks["c"].arguments["cwd"] == "/tmp"  # noqa: S108 - a text
    assert "cwd" not in tasks["begin"].arguments


def test_groups_are_stored_as_airflow_2_does() -> None:
    """With their children and what is before and after them; without groups all is as in 1.10."""
    root = json.loads(dag_row(plan(ETL), "/dags/file.yaml").data)["dag"]["_task_group"]
    assert root["children"].keys() == {"begin", "end", "all"}
    kind, outer = root["children"]["all"]
    assert (kind, outer["_group_id"], outer["upstream_task_ids"]) == ("taskgroup", "all", ["begin"])
    assert outer["downstream_task_ids"] == ["end"]
    load = outer["children"]["all.load"][1]
    assert (load["tooltip"], load["upstream_group_ids"]) == ("into the store", ["all.check"])
    assert load["children"] == {name: ["operator", name] for name in ("all.load.c", "all.load.d")}
    without = plan(f"one:\n  task_groups: {{}}\n  tasks: {{a: {{operator: {BASH}, bash_command: x}}}}")
    assert "_task_group" not in serialize_dag(without, "/dags/file.yaml")["dag"]


def test_a_group_that_is_not_there_without_any_groups() -> None:
    """dag-factory ignores it then; the author is told."""
    dag = plan(f"one:\n  tasks: {{a: {{operator: {BASH}, bash_command: x, task_group_name: g}}}}")
    assert [task.task_id for task in dag.tasks] == ["a"]
    assert "`task_group_name` has no effect, because the DAG has no `task_groups`" in dag.notes


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("task_group_name: load}", "task_group_name: laod}", 19, "did you mean `load`"),
        ("parent_group_name: all\n      dep", "parent_group_name: any\n      dep", 6, "'any', which is not a group"),
        ("dependencies: [check]", "dependencies: [z]", 7, "'load' depends on 'z', which is not a task or a group"),
        ("dependencies: [c]", "dependencies: [all.load.c]", 20, "write its name without the group, 'c'"),
        ("dependencies: [begin]", "parent_group_name: load", 4, "within each other"),
        ("dependencies: [begin]", "dependencies: [end]", 17, "in a circle"),
        ("dependencies: [check]", "dependencies: [load]", 19, "in a circle"),
        ("tooltip: into the store", "tooltip: [1]", 5, "`tooltip`: [1] is not text"),
        ("tooltip: into", "toltip: into", 5, "did you mean `tooltip`"),
        ("owner: all, retries: 2", "retries: many", 13, "`retries`"),
        ("    end:", "    all:", 21, "the name 'all'"),
        ("    end:", "    all.load.c:", 21, "the id 'all.load.c'"),
        ("    end:", "    load:", 21, "the name 'load'"),
        ("group_name: check", "group_name: all", 12, "two task groups are called 'all'"),
        ("group_name: load\n", "group_name: lo.ad\n", 4, "letters, digits"),
        ("group_name: load\n", f"group_name: {'l' * 201}\n", 4, "at most 200"),
        ("- group_name: load", "- name: load", 4, "needs a `group_name`"),
        ("    c: {", f"    {'c' * 245}: {{", 19, "at most 250"),
        ("  task_groups:", "  task_groups: 3\n  x:", 3, "a list of groups"),
    ],
)  # fmt: skip
def test_problems_of_groups_have_a_line(old: str, new: str, line: int, words: str) -> None:
    """Every mistake is reported at its line, with words that help."""
    assert old in ETL
    found = problems(ETL.replace(old, new))[0]
    assert found.startswith(f"file.yaml:{line}: DAG 'etl': ")
    assert words in found


def _file(groups: Mapping[str, object], tasks: Mapping[str, object]) -> bytes:
    return yaml.safe_dump({"one": {"task_groups": groups, "tasks": tasks}}).encode()


def test_depth_and_edges_are_bounded() -> None:
    """Neither a chain of groups nor two large groups below each other take all time and memory."""
    chain = {f"g{n}": {"parent_group_name": f"g{n + 1}", "prefix_group_id": False} for n in range(20)}
    assert "deeper than 20 levels" in problems(_file({**chain, "g20": {}}, {"t": {"operator": "a.B"}}).decode())[0]
    two: dict[str, object] = {"a": {}, "b": {"dependencies": ["a"]}}
    many = {f"{group}{n}": {"operator": "a.B", "task_group_name": group} for group in two for n in range(600)}
    assert "at most 100000 dependencies" in problems(_file(two, many).decode())[0]
    fewer = {name: task for name, task in many.items() if len(name) < 4}
    (dag,) = plan_dags(read_document(_file(two, fewer)), "/dags/file.yaml")
    assert sum(len(task.upstream) for task in dag.tasks) == 100 * 100
