"""Runs in an Airflow 2 with dag-factory: says what it makes of DAG files; JSON on standard input and output."""

import json
import logging
import os
import sys
import tempfile
from pathlib import Path

from airflow.serialization.serialized_objects import SerializedDAG
from airflow.utils.dag_cycle_tester import check_cycle
from dagfactory import load_yaml_dags


def _task(task):
    options = {name: getattr(task, name) for name in ("owner", "retries", "queue", "pool")}
    return {
        **options,
        "upstream": sorted(task.upstream_task_ids),
        "retry_delay": task.retry_delay.total_seconds(),
        "bash_command": getattr(task, "bash_command", None),
        "params": dict(task.params),
    }


def _dag(dag):
    check_cycle(dag)
    group = SerializedDAG.to_dict(dag)["dag"]["_task_group"]
    return {
        "tasks": {task.task_id: _task(task) for task in dag.tasks},
        # A DAG without groups has nothing to compare.
        "task_group": group if any(kind == "taskgroup" for kind, _ in group["children"].values()) else None,
        "max_active_runs": dag.max_active_runs,
        "params": dict(dag.params),
        "tags": sorted(set(dag.tags) - {"dagfactory"}),
        "description": dag.description,
    }


def _case(files, path, environment):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            file = Path(folder, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        os.environ.update(environment)
        dags = {}
        try:
            load_yaml_dags(dags, config_filepath=str(Path(folder, path)), defaults_config_path=folder)
            return {dag_id: _dag(dag) for dag_id, dag in dags.items()}
        except Exception as error:
            # Not its text: which task of a circle it names depends on the order of sets.
            return {"error": type(error).__name__}


logging.disable(logging.CRITICAL)
answer = [_case(*case) for case in json.load(sys.stdin)]
sys.stdout.write("\n" + json.dumps(answer))
