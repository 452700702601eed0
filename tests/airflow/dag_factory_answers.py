"""What Windsock makes of a case, in the words of `in_dag_factory.py`, and what the real dag-factory made of some."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from server.standalone.dags.parsing import Request, read_file
from server.standalone.dags.serialize import DagRow
from server.standalone.dags.variables import environment_for_files
from tests.airflow.random_dag_files import Case

RECORDED = range(60)
"""The seeds of the cases whose answers are recorded."""
_FILE = Path(__file__).parent / "dag_factory.json"
_DEFAULTS = {"owner": "airflow", "retries": 0, "queue": "default", "pool": "default_pool", "retry_delay": 300.0}


def answer_to(case: Case, folder: Path) -> dict[str, Any]:
    """Write the files into the folder and read them."""
    for name, text in case.files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    path = folder / case.path
    environment = environment_for_files(case.environment)
    answer = read_file(Request(str(path), str(folder), "", environment))
    if answer.file is None:
        return {"error": "; ".join(problem.text for problem in answer.problems)}
    return {row.dag_id: _dag(row) for row in answer.file.rows}


def _dag(row: DagRow) -> dict[str, Any]:
    dag = json.loads(row.data)["dag"]
    upstream: dict[str, list[str]] = {task["task_id"]: [] for task in dag["tasks"]}
    for task in dag["tasks"]:
        for task_id in task["_downstream_task_ids"]:
            upstream[task_id].append(task["task_id"])
    return {
        "tasks": {
            task["task_id"]: {
                **{name: task.get(name, default) for name, default in _DEFAULTS.items()},
                "upstream": sorted(upstream[task["task_id"]]),
                "bash_command": task.get("bash_command"),
                "params": task.get("params", {}),
            }
            for task in dag["tasks"]
        },
        "task_group": dag.get("_task_group"),
        "max_active_runs": dag.get("max_active_runs", 16),
        "params": dag.get("params", {}),
        "tags": sorted(row.tags),
        "description": row.description,
    }


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Return the paths at which the two differ; the messages of refusals are each one's own."""
    if "error" in ours or "error" in theirs:
        return [] if "error" in ours and "error" in theirs else [f"{ours.get('error')} / {theirs.get('error')}"]
    return list(_differences(ours, theirs, ""))


def _differences(ours: object, theirs: object, path: str) -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in ours.keys() | theirs.keys():
            yield from _differences(ours.get(key), theirs.get(key), f"{path}/{key}")
    elif ours != theirs:
        yield f"{path}: {ours!r:.100} / {theirs!r:.100}"


def recorded() -> list[dict[str, Any]]:
    """Return what the real dag-factory said of the cases of `RECORDED`."""
    answers: list[dict[str, Any]] = json.loads(_FILE.read_text("utf-8"))
    return answers
