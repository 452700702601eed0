"""DAGs whose runs are steered: one that is paused, so that nothing but that changes its rows, and one that runs."""

from datetime import datetime, timedelta

import airflow

GENERATION = int(airflow.__version__.split(".")[0])
if GENERATION == 3:
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.sdk import DAG
else:
    from airflow import DAG

    if GENERATION == 2:
        from airflow.operators.bash import BashOperator
    else:
        from airflow.operators.bash_operator import BashOperator

START = {"start_date": datetime(2024, 1, 1)}
# The name of the option is another in 3.x.
NEVER = {"schedule" if GENERATION == 3 else "schedule_interval": None}


def bash(dag, task_id, *above, **options):
    """Make a task below others."""
    task = BashOperator(task_id=task_id, dag=dag, bash_command=options.pop("bash_command", "true"), **options)
    for other in above:
        other >> task
    return task


steered = DAG("ws_steered", default_args=START, is_paused_upon_creation=True, **NEVER)
first = bash(steered, "first", retries=2)
left = bash(steered, "left", first, retries=1)
right = bash(steered, "right", first)
last = bash(steered, "last", left, right)
for number in range(8):
    bash(steered, "task%d" % number, retries=number % 3)
if GENERATION > 1:
    mapped = BashOperator.partial(task_id="mapped", dag=steered).expand(bash_command=["true", "false"])
    first >> mapped

    cleaned = DAG("ws_cleaned", default_args=START, is_paused_upon_creation=True, **NEVER)
    work = bash(cleaned, "work", bash(cleaned, "begin").as_setup())
    bash(cleaned, "clean", work).as_teardown(setups=[cleaned.get_task("begin")])

slow = DAG("ws_slow", default_args=START, is_paused_upon_creation=False, **NEVER)
# One that is cleared while it runs counts as one that failed: it is retried after this delay, in 1.10 only if it has
# one more retry.
command = 'echo $$ > "$WINDSOCK_TEST_GO.{{ run_id }}"; exec sleep 600'
bash(slow, "after", bash(slow, "sleeps", bash_command=command, retries=2, retry_delay=timedelta(seconds=1)))
