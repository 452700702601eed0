"""Runs inside of a real Airflow's environment: `in_airflow.py trigger|delete`, JSON on standard input and output."""

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
