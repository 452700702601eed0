"""Runs inside of a real Airflow's environment: `in_airflow.py FUNCTION`, JSON on standard input and output."""

import json
import sys
from datetime import datetime

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


answer = globals()[sys.argv[1]](json.load(sys.stdin))
sys.stdout.write("\n" + json.dumps(answer))
