"""DAGs for Windsock and, through dag-factory, for a real Airflow 2: the rules that both know."""

import random
from itertools import chain, combinations
from pathlib import Path

from tests.scheduling import BASH, EMPTY

# As dag-factory spells them; Windsock keeps the last two by their names of 1.10.
RULES = (
    "all_success", "all_failed", "all_done", "one_success", "one_failed", "none_failed", "none_skipped",
    "one_done", "all_skipped", "none_failed_min_one_success", "always",
)  # fmt: skip
PYTHON = "airflow.operators.python.PythonOperator"
FUNCTIONS = """
try:
    from airflow.exceptions import AirflowFailException, AirflowSkipException
except ImportError:
    class AirflowFailException(Exception): ...
    class AirflowSkipException(Exception): ...

def skip(): raise AirflowSkipException("not today")
def fail(): raise AirflowFailException("never")
def add(a, b, ti): return a + b + ti.try_number - 1
"""
# What is called writes down what it is told, in one file for each side.
CALLBACKS = """
import json, pathlib

def note(context, *facts):
    side = "airflow" if type(context["dag"]).__module__.startswith("airflow") else "windsock"
    line = [context["dag"].dag_id, context["run_id"], *facts]
    with pathlib.Path(__file__).with_name(f"calls_{side}").open("a") as file:
        file.write(json.dumps(line) + "\\n")

def run_succeeded(context): note(context, "success", context["reason"], str(context["dag_run"].state))
def run_failed(context): note(context, "failure", context["reason"], str(context["dag_run"].state))
def task_succeeded(context):
    # Airflow 2, unlike 3, calls this for a task that has skipped itself, too.
    if context["ti"].state != "skipped":
        note(context, "success", context["ti"].task_id, str(context["ti"].state))

def task_failed(context): note(context, "failure", context["ti"].task_id, str(context["ti"].state))
def task_retried(context): note(context, "retry", context["ti"].task_id, str(context["ti"].state))
def task_skipped(context): note(context, "skipped", context["ti"].task_id)
"""
Dag = dict[str, object]
Tasks = dict[str, Dag]


def seconds(count: float) -> Dag:
    """Write a duration that both understand."""
    return {"__type__": "datetime.timedelta", "seconds": count}


def bash(command: str, *above: str, **options: object) -> Dag:
    """Make a task that runs a command."""
    return {"operator": BASH, "bash_command": command, "dependencies": list(above), **options}


def empty(*above: str, **options: object) -> Dag:
    """Make a task that does nothing."""
    return {"operator": EMPTY, "dependencies": list(above), **options}


def every_rule() -> Tasks:
    """Every trigger rule below every mixture of ends.

    The skip comes after the failure: below both, Airflow lets the one that is first decide `all_success`.
    """
    ends: Tasks = {
        "good": empty(),
        "bad": bash("exit 1"),
        "skip": bash("exit 99", "bad", trigger_rule="all_done"),
        "unrun": empty("bad"),
    }
    mixtures = chain.from_iterable(combinations(ends, size) for size in range(1, len(ends) + 1))
    below = {f"{rule}_of_{'_'.join(above)}": empty(*above, trigger_rule=rule) for above in mixtures for rule in RULES}
    return ends | below


def ends_of_commands(folder: Path) -> Tasks:
    """Exit statuses, tries, timeouts, and what functions raise."""
    functions = folder / "functions.py"
    functions.write_text(FUNCTIONS)
    python = {"operator": PYTHON, "python_callable_file": str(functions)}
    return {
        "ok": bash("true"),
        "fails": bash("exit 3", retries=1),
        "second": bash("[ {{ ti.try_number }} = 2 ]", retries=1),
        "skips": bash("exit 99"),
        "skips_otherwise": bash("exit 9", skip_on_exit_code=9),
        "fails_with_99": bash("exit 99", skip_on_exit_code=9),
        "slow": bash("sleep 60", execution_timeout=seconds(2)),
        "template": bash("{{ 1 / 0 }}"),
        "python_skips": {**python, "python_callable_name": "skip", "retries": 1},
        "python_fails_at_once": {**python, "python_callable_name": "fail", "retries": 1},
        "python": {**python, "python_callable_name": "add", "op_args": [1], "op_kwargs": {"b": 2}},
        "pulls": bash("[ {{ ti.xcom_pull(task_ids='python') }} = 3 ]", "python"),
        "below_skips": empty("skips", "ok"),
        "below_fails": empty("fails", "second"),
        "far_below_fails": empty("below_fails"),
    }


def random_tasks(seed: int) -> Tasks:
    """Draw a few tasks below each other; most do nothing, so that they cost an Airflow nothing."""
    draw = random.Random(seed)  # noqa: S311 - a test that can be repeated
    tasks: Tasks = {"fails": bash("false"), "skips": bash("exit 99", "fails", trigger_rule="all_done")}
    for n in range(25):
        above = draw.sample(sorted(tasks), draw.randint(1, 3))
        # What is below these two waits for both, so that it does not hang on which is first.
        above += [] if {"fails", "skips"}.isdisjoint(above) else ["skips"]
        tasks[f"t{n}"] = empty(*dict.fromkeys(above), trigger_rule=draw.choice(RULES))
    return tasks


def callbacks(folder: Path, **functions: str) -> Dag:
    """Name functions of a file, by event."""
    file = folder / "callbacks.py"
    file.write_text(CALLBACKS)
    named: Dag = {f"on_{event}_callback_name": function for event, function in functions.items()}
    return named | {f"on_{event}_callback_file": str(file) for event in functions}


def dags_of_both(folder: Path) -> dict[str, tuple[Dag, int]]:
    """Every DAG by its id, and how many runs of it there are to be. All have callbacks for the ends of runs."""
    of_runs = callbacks(folder, success="run_succeeded", failure="run_failed")
    return {dag_id: (of_runs | dag, runs) for dag_id, (dag, runs) in _dags(folder).items()}


def _dags(folder: Path) -> dict[str, tuple[Dag, int]]:
    of_tasks = callbacks(
        folder, success="task_succeeded", failure="task_failed", retry="task_retried", skipped="task_skipped"
    )
    past = {"depends_on_past": True, "wait_for_downstream": True}
    narrow = {f"t{n}": bash("sleep 0.1", pool="narrow", pool_slots=1 + n % 2) for n in range(3)}
    return {
        "rules": ({"tasks": every_rule()}, 1),
        "commands": ({"tasks": {task_id: of_tasks | task for task_id, task in ends_of_commands(folder).items()}}, 1),
        "failed_leaf": ({"tasks": {"good": empty(), "bad": bash("exit 1", "good"), "other": empty("good")}}, 1),
        "cleaned_up": ({"tasks": {"bad": bash("false"), "clean": empty("bad", trigger_rule="all_done")}}, 1),
        "skipped_leaf": ({"tasks": {"skip": bash("exit 99"), "below": empty("skip")}}, 1),
        "pools": ({"tasks": narrow, "max_active_tasks": 2}, 1),
        "too_long": ({"tasks": {"t": bash("sleep 60"), "u": empty("t")}, "dagrun_timeout": seconds(8)}, 1),
        "past": ({"tasks": {"t": bash("true", **past), "u": bash("true", "t")}, "max_active_runs": 2}, 2),
        # These never end, here nor there.
        "bad_past": ({"tasks": {"t": bash("false", depends_on_past=True)}, "max_active_runs": 2}, 2),
        "too_large": ({"tasks": {"t": bash("true", pool="narrow", pool_slots=3)}}, 1),
        **{f"random{seed}": ({"tasks": random_tasks(seed)}, 1) for seed in range(2)},
    }
