"""Runs inside of a real Airflow's environment: `in_airflow.py FUNCTION`, JSON on standard input and output."""

import json
import sys
from datetime import datetime
from functools import lru_cache

import airflow
import pendulum

GENERATION = int(airflow.__version__.split(".")[0])


def trigger(requests):
    """Make a run for each [dag_id, run_id, date], as this Airflow's own API does."""
    if GENERATION == 3:
        from airflow.api.common.trigger_dag import trigger_dag
        from airflow.utils.types import DagRunTriggeredByType

        more, name = {"triggered_by": DagRunTriggeredByType.REST_API}, "logical_date"
    else:
        if GENERATION == 1:
            from airflow.api.common.experimental.trigger_dag import trigger_dag
        else:
            from airflow.api.common.trigger_dag import trigger_dag
        more, name = {}, "execution_date"
    for dag_id, run_id, date in requests:
        moment = pendulum.instance(datetime.fromisoformat(date))
        if GENERATION == 3:
            # What its API takes the interval of is the date; this function takes it of run_after.
            more["run_after"] = moment
        trigger_dag(dag_id=dag_id, run_id=run_id, **dict(more, **{name: moment}))


def post(requests):
    """Answer what the API of an Airflow before 3 does for each [dag_id, body]: status and text."""
    if GENERATION == 1:
        from airflow.api.common.experimental.trigger_dag import trigger_dag

        for dag_id, body in requests:
            date = pendulum.instance(datetime.fromisoformat(body["logical_date"]))
            trigger_dag(dag_id, body["dag_run_id"], body["conf"], date, replace_microseconds=False)
        return []
    from airflow.www.app import create_app

    client = create_app(testing=True).test_client()
    answers = [client.post(f"/api/v1/dags/{dag_id}/dagRuns", json=body) for dag_id, body in requests]
    return [[answer.status_code, answer.get_data(as_text=True)] for answer in answers]


def delete(dag_ids):
    """Delete the DAGs; how many rows were counted."""
    if GENERATION == 1:
        # It deletes from the tables whose models are imported, as they all are in its server.
        import airflow.jobs
        from airflow.api.common.experimental.delete_dag import delete_dag
    else:
        from airflow.api.common.delete_dag import delete_dag
    return [delete_dag(dag_id) for dag_id in dag_ids]


def steer(requests):
    """Steer runs as an Airflow before 3 does, each [what, dag_id, run_id, argument]; statuses of its API."""
    answers = []
    for what, dag_id, run_id, argument in requests:
        if what == "clear":
            _clear(dag_id, run_id, **argument)
            answers.append(200)
        elif GENERATION == 1:
            _steer_old(what, dag_id, run_id, argument)
            answers.append(200)
        else:
            answers.append(_ask_api(what, f"/api/v1/dags/{dag_id}/dagRuns/{run_id}", argument))
    return answers


@lru_cache
def _api():
    from airflow.www.app import create_app

    return create_app(testing=True).test_client()


def _ask_api(what, run, argument):
    client = _api()
    if what == "delete":
        return client.delete(run).status_code
    if what == "state":
        return client.patch(run, json={"state": argument}).status_code
    body = {"new_state": argument["state"], "dry_run": False}
    return client.patch(f"{run}/taskInstances/{argument['task_id']}", json=body).status_code


def _clear(dag_id, run_id, only_failed, task_ids=None, include_downstream=False):
    """Clear as the command does; its API loses the state of an instance that runs."""
    from airflow.models import DagRun
    from airflow.models.dagbag import DagBag

    dag = DagBag(**{"store_serialized_dags" if GENERATION == 1 else "read_dags_from_db": True}).get_dag(dag_id)
    date = DagRun.find(dag_id=dag_id, run_id=run_id)[0].execution_date
    if task_ids:
        subset = dag.sub_dag if GENERATION == 1 else dag.partial_subset
        dag = subset("^(" + "|".join(task_ids) + ")$", include_downstream=include_downstream, include_upstream=False)
    type(dag).clear_dags([dag], start_date=date, end_date=date, only_failed=only_failed)


def _steer_old(what, dag_id, run_id, argument):
    from airflow.api.common.experimental import mark_tasks
    from airflow.models import DagRun
    from airflow.models.dagbag import DagBag

    dag = DagBag(store_serialized_dags=True).get_dag(dag_id)
    date = DagRun.find(dag_id=dag_id, run_id=run_id)[0].execution_date
    if what == "state":
        getattr(mark_tasks, f"set_dag_run_state_to_{argument}")(dag, date, commit=True)
        return
    task = dag.get_task(argument["task_id"])
    task.dag = dag
    mark_tasks.set_state(tasks=[task], execution_date=date, state=argument["state"], commit=True)


answer = globals()[sys.argv[1]](json.load(sys.stdin))
sys.stdout.write("\n" + json.dumps(answer))
