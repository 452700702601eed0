"""What each role may do, as the real Airflows say: recorded in verdicts/, which the tests beside them check.

`RECORDED` has a file for each release: the permissions of its roles, and for each role the endpoints that it may use.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent / "verdicts"
RECORDED = sorted(path.stem for path in FOLDER.glob("*.json"))
DAGS = ("d", "other")

_DATE = "2024-03-05T12:34:56+00:00"
_QUOTED = "2024-03-05T12%3A34%3A56%2B00%3A00"

Call = tuple[str, str, object]


class Same(NamedTuple):
    """A request to Windsock, and by generation what it does in Airflow: who may do all of that may do it here."""

    request: Call
    airflow: Mapping[int, Sequence[Call]]

    @property
    def name(self) -> str:
        """How the files name it."""
        return f"{self.request[0]} {self.request[1]}"


def _get(*paths: str) -> list[Call]:
    return [("GET", path, None) for path in paths]


def _both(*calls: Call) -> dict[int, Sequence[Call]]:
    return {2: calls, 3: calls}


_POOL = {"name": "p", "slots": 3, "description": "", "include_deferred": False}
_NEW, _OLD = ("POST", "/pools", _POOL), ("PATCH", "/pools/p", _POOL)


def everything() -> Iterator[Same]:
    """Yield every request; for each DAG those of a DAG."""
    yield Same(("GET", "/test", None), {1: (), 2: (), 3: ()})
    yield Same(("GET", "/dags", None), {1: _get("/home"), **_both(*_get("/dags"))})
    yield Same(("GET", "/dags?details=true", None), {1: _get("/home"), **_both(*_get("/dags"))})
    yield Same(("GET", "/dag_tags", None), {1: _get("/home"), **_both(*_get("/dags"))})
    yield Same(("GET", "/import_errors", None), {1: _get("/home"), **_both(*_get("/importErrors"))})
    yield Same(
        ("GET", "/latest_runs", None), {1: _get("/home", "/dagrun/list/"), **_both(*_get("/dags", "/dags/~/dagRuns"))}
    )
    # The same for runs of several DAGs; who may read some DAGs alone gets what is known of these.
    several: list[Call] = [("POST", "/dag_runs/states", []), ("GET", "/events", None)]
    for request in several:
        yield Same(request, {1: _get("/home", "/dagrun/list/"), **_both(*_get("/dags", "/dags/~/dagRuns"))})
    yield Same(
        ("GET", "/unfinished_runs", None),
        {1: _get("/home", "/dagrun/list/"), **_both(*_get("/dags", "/dags/~/dagRuns"))},
    )
    yield Same(("GET", "/pools", None), {1: _get("/pool/list/"), **_both(*_get("/pools"))})
    yield Same(("GET", "/pools?details=true", None), {1: _get("/pool/list/"), **_both(*_get("/pools"))})
    yield Same(("GET", "/pools/default_pool", None), {1: _get("/pool/list/"), **_both(*_get("/pools/default_pool"))})
    yield Same(("POST", "/pools", {**_POOL, "name": "new"}), {1: _get("/pool/add"), **_both(_NEW)})
    yield Same(
        ("DELETE", "/pools/p", None), {1: [("POST", "/pool/delete/99", {})], **_both(("DELETE", "/pools/p", None))}
    )
    for dag_id in DAGS:
        yield from _of_dag(f"/dags/{dag_id}", dag_id)


def _of_dag(dag: str, dag_id: str) -> Iterator[Same]:
    asked = f"dag_id={dag_id}"
    task = f"{asked}&task_id=t&execution_date={_QUOTED}"
    details = _get("/home", f"/dag_details?{asked}")
    run, runs = f"{dag}/dag_runs/{_QUOTED}", [*details, *_get("/dagrun/list/")]
    instance = f"{dag}/dagRuns/r/taskInstances/t"
    patch = ("PATCH", f"{dag}?update_mask=is_paused", {"is_paused": True})
    pause: list[Call] = [("POST", f"/paused?is_paused=true&{asked}", {})]
    yield Same(("GET", dag, None), {1: details, **_both(*_get(dag))})
    yield Same(("GET", f"{dag}/paused", None), {1: details, **_both(*_get(dag))})
    for path in (f"{dag}/tasks", f"{dag}/tasks?details=true"):
        yield Same(("GET", path, None), {1: [*details, *_get(f"/task?{task}")], **_both(*_get(f"{dag}/tasks"))})
    yield Same(
        ("GET", f"{dag}/tasks/t", None), {1: [*details, *_get(f"/task?{task}")], **_both(*_get(f"{dag}/tasks/t"))}
    )
    yield Same(
        ("GET", f"{dag}/code", None),
        {
            1: [*details, *_get(f"/code?{asked}")],
            2: _get(f"/dagSources/{{{dag_id}}}"),
            3: _get(f"/dagSources/{dag_id}"),
        },
    )
    yield Same(("GET", f"{dag}/dag_runs", None), {1: runs, **_both(*_get(f"{dag}/dagRuns"))})
    yield Same(("GET", run, None), {1: runs, **_both(*_get(f"{dag}/dagRuns/r"))})
    yield Same(("GET", f"{run}?details=true", None), {1: runs, **_both(*_get(f"{dag}/dagRuns/r"))})
    of_task = [*runs, *_get(f"/task?{task}")]
    yield Same(("GET", f"{run}/tasks", None), {1: of_task, **_both(*_get(f"{dag}/dagRuns/r/taskInstances"))})
    yield Same(("GET", f"{dag}/grid", None), {1: of_task, **_both(*_get(f"{dag}/dagRuns/r/taskInstances"))})
    yield Same(("GET", f"{run}/tasks/t", None), {1: of_task, **_both(*_get(instance))})
    yield Same(("GET", f"{run}/tasks/t/waits_for", None), {1: of_task, **_both(*_get(f"{instance}/dependencies"))})
    logs = _get(f"/log?{task}", f"/get_logs_with_metadata?{task}&try_number=1&metadata=null")
    yield Same(("GET", f"{run}/tasks/t/logs", None), {1: [*details, *logs], **_both(*_get(f"{instance}/logs/1"))})
    made = {"conf": {}, "logical_date": _DATE}
    yield Same(
        ("POST", f"{dag}/dag_runs", {"conf": {}}),
        {1: [*pause, ("POST", f"/trigger?{asked}", {})], **_both(("POST", f"{dag}/dagRuns", made))},
    )
    yield Same(("GET", f"{dag}/paused/true", None), {1: pause, **_both(patch)})
    yield Same(("PATCH", dag, {"is_paused": False}), {1: pause, **_both(patch)})
    yield from _steering(run, dag, asked)
    deleted = {1: [("POST", f"/delete?{asked}", {})], **_both(("DELETE", dag, None))}
    yield Same(("DELETE", dag, None), deleted)
    yield Same(("DELETE", f"{dag}/delete_dag", None), deleted)


def _steering(run: str, dag: str, asked: str) -> Iterator[Same]:
    """Each page of 1.10 marks a run or a task as one state; here both states need the same."""
    pause: Call = ("POST", f"/paused?is_paused=true&{asked}", {})
    pages: dict[str, list[Call]] = {
        name: [("POST", f"/{name}?{asked}&execution_date={_QUOTED}&task_id=t&confirmed=true&origin=/", {})]
        for name in ("dagrun_failed", "dagrun_success", "failed", "success", "clear")
    }
    of_run = [pause, *pages["dagrun_failed"], *pages["dagrun_success"]]
    of_tasks = [pause, *pages["failed"], *pages["success"], *pages["clear"]]
    marked, instance = {"state": "failed"}, f"{dag}/dagRuns/r/taskInstances/t"
    chosen = {"dry_run": False, "only_failed": True, "dag_run_id": "r"}
    yield Same(("PATCH", run, marked), {1: of_run, **_both(("PATCH", f"{dag}/dagRuns/r", marked))})
    yield Same(("POST", f"{run}/clear", {}), {1: of_tasks, **_both(("POST", f"{dag}/clearTaskInstances", chosen))})
    yield Same(
        ("PATCH", f"{run}/tasks/t", marked), {1: of_tasks, **_both(("PATCH", instance, {"new_state": "failed"}))}
    )
    deleting: Call = ("POST", f"/dagrun/action_post?{asked}", {"action": "muldelete"})
    yield Same(("DELETE", run, None), {1: [pause, deleting], **_both(("DELETE", f"{dag}/dagRuns/r", None))})


def _on(dag_id: str, *actions: str) -> list[tuple[str, str]]:
    return [(f"can_{action}", f"DAG:{dag_id}") for action in actions]


_READS = [("can_read", resource) for resource in ("DAG Runs", "Task Instances", "Task Logs", "DAG Code")]
CUSTOM: Mapping[str, Sequence[tuple[str, str]]] = {
    "d_reader": [*_on("d", "read"), *_READS],
    "d_reader_alone": _on("d", "read"),
    "d_triggerer": [*_on("d", "read", "edit"), ("can_create", "DAG Runs"), ("can_read", "DAG Runs")],
    "d_editor_only": [*_on("d", "edit"), ("can_create", "DAG Runs")],
    "d_deleter": _on("d", "delete"),
    "d_steerer": [*_on("d", "edit"), *((f"can_{one}", "DAG Runs") for one in ("edit", "delete"))],
    "d_clearer": [*_on("d", "edit"), ("can_edit", "DAG Runs"), ("can_edit", "Task Instances")],
    "task_editor": [*_on("d", "edit"), ("can_edit", "Task Instances")],
    "run_reader": [*_on("d", "read"), ("can_edit", "DAG Runs"), ("can_delete", "DAG Runs")],
    "d_runs": [*_on("d", "read", "edit"), ("can_read", "DAG Run:d"), ("can_create", "DAG Run:d")],
    "creator_without_dags": [("can_create", "DAG Runs"), ("can_read", "DAG Runs")],
    "no_import_errors": [("can_read", "DAGs"), *_READS, ("can_read", "Pools")],
    "import_errors": [("can_read", "ImportError")],
    "no_runs": [("can_read", "DAGs"), ("can_read", "Task Instances"), ("can_read", "Task Logs")],
    "pool_maker": [("can_create", "Pools")],
    "pool_deleter": [("can_delete", "Pools"), ("can_read", "Pools")],
}
"""Roles of Airflow 2 and 3; what they need to have a page at all is left out."""
_PAGES = [("can_index", "Airflow"), ("can_dag_details", "Airflow")]
CUSTOM_VIEWS: Mapping[str, Sequence[tuple[str, str]]] = {
    "d_reader": [("can_dag_read", "d"), *_PAGES, ("can_code", "Airflow"), ("can_task", "Airflow")],
    "d_editor": [("can_dag_edit", "d"), *_PAGES, ("can_trigger", "Airflow"), ("can_paused", "Airflow")],
    "d_deleter": [("can_dag_edit", "d"), ("can_delete", "Airflow")],
    "d_steerer": [
        ("can_dag_edit", "d"),
        ("can_paused", "Airflow"),
        ("can_dagrun_failed", "Airflow"),
        ("can_dagrun_success", "Airflow"),
        ("muldelete", "DagRunModelView"),
    ],
    "d_failer": [("can_dag_edit", "d"), ("can_paused", "Airflow"), ("can_dagrun_failed", "Airflow")],
    "d_clearer": [
        ("can_dag_edit", "d"),
        *((f"can_{one}", "Airflow") for one in ("paused", "failed", "success", "clear")),
    ],
    "views_only": [*_PAGES, ("can_code", "Airflow"), ("can_list", "DagRunModelView")],
    "logs": [("can_dag_read", "all_dags"), *_PAGES, ("can_log", "Airflow"), ("can_get_logs_with_metadata", "Airflow")],
    "half_logs": [("can_dag_read", "all_dags"), *_PAGES, ("can_log", "Airflow")],
    "instances": [("can_dag_read", "other"), *_PAGES, ("can_task", "Airflow"), ("can_list", "DagRunModelView")],
    "reader": [("can_dag_read", "all_dags")],
    "pool_lister": [("can_list", "PoolModelView")],
}
"""Roles of Airflow 1.10."""
BUILT_IN = ("Public", "Viewer", "User", "Op", "Admin")


def question(generation: int) -> dict[str, object]:
    """Return what to ask a real Airflow."""
    return {
        "roles": CUSTOM_VIEWS if generation == 1 else CUSTOM,
        "built_in": BUILT_IN,
        "dags": DAGS,
        "requests": {same.name: same.airflow[generation] for same in everything()},
    }


def recorded(release: str) -> dict[str, Any]:
    """Read what was recorded."""
    answer: dict[str, Any] = json.loads((FOLDER / f"{release}.json").read_text("utf-8"))
    return answer


def written(answer: Mapping[str, Any]) -> str:
    """Write an answer as the files have it."""
    lines = [
        f" {json.dumps(part)}: {{\n"
        + ",\n".join(
            f"  {json.dumps(role)}: {json.dumps(sorted(entries))}" for role, entries in sorted(answer[part].items())
        )
        + "\n }"
        for part in ("permissions", "allowed")
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"
