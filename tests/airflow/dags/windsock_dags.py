"""DAGs for every generation of Airflow, 1.10 to 3.x: what Windsock triggers, and twins that Airflow itself does."""

import json
import os
import time
from datetime import datetime

import airflow

GENERATION = int(airflow.__version__.split(".")[0])

if GENERATION == 3:
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.providers.standard.operators.python import PythonOperator
    from airflow.sdk import DAG
elif GENERATION == 2:
    from airflow import DAG
    from airflow.operators.empty import EmptyOperator
    from airflow.operators.python import PythonOperator
else:
    from airflow import DAG
    from airflow.operators.dummy_operator import DummyOperator as EmptyOperator
    from airflow.operators.python_operator import PythonOperator

START = datetime(2024, 1, 1)
# Before 2.8 every task has a start_date.
UNDATED = datetime(100, 1, 1) if airflow.__version__.startswith("2.7.") else None


def make(dag_id, schedule=None, start=START, **options):
    """Make a DAG; the word for its schedule is another in 1.10."""
    options.setdefault("catchup", False)
    options["schedule_interval" if GENERATION == 1 else "schedule"] = schedule
    dag = DAG(dag_id, start_date=start, **options)
    globals()[dag_id] = dag
    return dag


def echo(**context):
    """Answer what a task sees of its run, as JSON text."""
    run = context["dag_run"]
    return json.dumps({"conf": run.conf, "run_id": run.run_id})


def echo_task(dag, task_id="echo", **options):
    if GENERATION == 1:
        options["provide_context"] = True
    return PythonOperator(task_id=task_id, python_callable=echo, dag=dag, **options)


def wait():
    """Run until the test says that it is enough."""
    deadline = time.time() + 120
    while not os.path.exists(os.environ["WINDSOCK_TEST_GO"]) and time.time() < deadline:
        time.sleep(0.2)


dag = make("ws_echo", tags=["windsock", "echo"])
echo_task(dag) >> EmptyOperator(task_id="after", dag=dag)

echo_task(make("ws_paused"))
echo_task(make("ws_one", max_active_runs=1))
echo_task(make("ws_pool"), pool="ws_pool")
EmptyOperator(task_id="nothing", dag=make("ws_fuzz", max_active_runs=100))
echo_task(make("ws_fuzz_echo", max_active_runs=100), retries=0)
if GENERATION > 1:
    # Any date, or nearly any, is after their start.
    EmptyOperator(task_id="nothing", dag=make("ws_fuzz_free", start=UNDATED, max_active_runs=100))
    EmptyOperator(task_id="nothing", dag=make("ws_fuzz_daily", "@daily", start=datetime(100, 1, 1), max_active_runs=100))
PythonOperator(task_id="wait", python_callable=wait, dag=make("ws_wait"))
for twin in ("ws_delete_ours", "ws_delete_theirs"):
    dag = make(twin, tags=["one", "two"])
    echo_task(dag) >> EmptyOperator(task_id="after", dag=dag)

if GENERATION == 1:
    from airflow.operators.subdag_operator import SubDagOperator
elif GENERATION == 2:
    from airflow.operators.subdag import SubDagOperator
if GENERATION < 3:
    inner = make("ws_parent.inner")
    echo_task(inner)
    outer = make("ws_parent")
    SubDagOperator(task_id="inner", subdag=inner, dag=outer)

if GENERATION > 1:
    if GENERATION == 2:
        from airflow.models.param import Param
    else:
        from airflow.sdk import Param

    EmptyOperator(
        task_id="nothing",
        dag=make(
            "ws_params",
            params={
                "n": Param(5, type="integer", minimum=1),
                # 2.7 wants a default of every param.
                "must": Param(*(["abc"] if airflow.__version__.startswith("2.7") else []), type="string", maxLength=3),
                "when": Param("2024-01-01T00:00:00+00:00", type="string", format="date-time"),
                "free": 1,
            },
        ),
    )

    def fail_one(x):
        if x == 2:
            raise ValueError(x)

    PythonOperator.partial(task_id="mapped", python_callable=fail_one, retries=0, dag=make("ws_mapped")).expand(
        op_args=[[1], [2], [3]]
    )
