"""A DAG whose file can be broken: it is, as long as there is a file `break` in the home of its Airflow."""

import os
from datetime import datetime

import airflow

if airflow.__version__.startswith("3."):
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG
elif airflow.__version__.startswith("2."):
    from airflow import DAG
    from airflow.operators.empty import EmptyOperator
else:
    from airflow import DAG
    from airflow.operators.dummy_operator import DummyOperator as EmptyOperator

if os.path.exists(os.path.join(os.environ["AIRFLOW_HOME"], "break")):
    raise ValueError("broken by a test")

breaks = DAG("breaks", start_date=datetime(2024, 1, 1), catchup=False)
EmptyOperator(task_id="nothing", dag=breaks, start_date=datetime(2024, 1, 1))
