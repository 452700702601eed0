"""Pairs of equal DAGs, paused: of one Windsock triggers a run, of the other Airflow's own API, and the rows are compared."""

from datetime import datetime, timedelta, timezone

import airflow

VERSION = tuple(int(part) for part in airflow.__version__.split(".")[:2])
START = datetime(2024, 1, 1)

if VERSION >= (3,):
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
    from airflow.sdk import DAG, Param, TaskGroup, task, task_group
elif VERSION >= (2,):
    from airflow import DAG
    from airflow.decorators import task, task_group
    from airflow.models.param import Param
    from airflow.operators.bash import BashOperator
    from airflow.operators.empty import EmptyOperator
    from airflow.sensors.date_time import DateTimeSensorAsync
    from airflow.utils.task_group import TaskGroup
else:
    from airflow import DAG
    from airflow.operators.bash_operator import BashOperator
    from airflow.operators.dummy_operator import DummyOperator as EmptyOperator


def twins(kind, schedule=None, **options):
    """Make a pair of DAGs of the tasks that the decorated function makes."""
    options["schedule_interval" if VERSION < (2,) else "schedule"] = schedule

    def make(tasks):
        for whose in ("ours", "theirs"):
            dag_id = f"ws_twin_{kind}_{whose}"
            more = {"is_paused_upon_creation": True, "catchup": False, **options}
            with DAG(dag_id, start_date=START, **more) as dag:
                tasks()
            globals()[dag_id] = dag

    return make


@twins("plain", tags=["twins"])
def plain():
    first = BashOperator(task_id="first", bash_command="true", retries=3, queue="q", pool="p", pool_slots=2)
    second = EmptyOperator(task_id="second", priority_weight=5, weight_rule="absolute")
    first >> second >> EmptyOperator(task_id="third", priority_weight=7, weight_rule="upstream", owner="somebody")
    EmptyOperator(task_id="before", end_date=datetime(2024, 2, 1))
    EmptyOperator(task_id="after", start_date=datetime(2024, 5, 1))
    EmptyOperator(task_id="during", start_date=datetime(2024, 2, 1), end_date=datetime(2024, 12, 1))


@twins("daily", "@daily")
def daily():
    EmptyOperator(task_id="only", retries=1, retry_delay=timedelta(minutes=1), execution_timeout=timedelta(hours=1))


if VERSION >= (2,):

    def notify(**_):
        """Nothing is ever missed here."""

    @twins("tasks", default_args={"retries": 2, "queue": "default_args"})
    def tasks():
        @task(retries=4)
        def decorated():
            return [1, 2, 3]

        @task.branch(task_id="branch")
        def branch():
            return "left"

        made = decorated()
        chosen = branch()
        made >> chosen >> [EmptyOperator(task_id="left"), EmptyOperator(task_id="right")]
        with TaskGroup("group"):
            EmptyOperator(task_id="inner", trigger_rule="all_done") >> EmptyOperator(task_id="other")
        up, down = EmptyOperator(task_id="up"), EmptyOperator(task_id="down")
        up.as_setup() >> BashOperator(task_id="between", bash_command="true") >> down.as_teardown(setups=up)
        DateTimeSensorAsync(task_id="sensor", target_time="2099-01-01T00:00:00+00:00")
        if VERSION >= (2, 9):
            EmptyOperator(task_id="shown", task_display_name="Shown as this")
        if VERSION >= (2, 10):
            EmptyOperator(task_id="elsewhere", executor="LocalExecutor")

    @twins("mapped")
    def mapped():
        @task
        def numbers():
            return [1, 2]

        @task(retries=1)
        def use(x, y=0):
            return x

        partial = BashOperator.partial(task_id="literal", retries=2, pool="p", priority_weight=3)
        partial.expand(bash_command=["true", "false", "exit 1"])
        BashOperator.partial(task_id="kwargs", do_xcom_push=False).expand_kwargs(
            [{"bash_command": "true"}, {"bash_command": "false", "env": {"A": "b"}}]
        )
        use.override(task_id="product").expand(x=[1, 2, 3], y=[4, 5])
        use.override(task_id="of_a_dict").expand(x={"a": 1, "b": 2})
        use.override(task_id="of_nothing").expand(x=[])
        use.override(task_id="of_a_task").expand(x=numbers())
        use.override(task_id="half").expand(x=numbers.override(task_id="more")(), y=[1, 2])
        use.override(task_id="below").expand(x=use.override(task_id="above").expand(x=[1, 2, 3]))

        @task_group
        def of_list(x):
            use.override(task_id="each")(x) >> EmptyOperator(task_id="then")

            with TaskGroup("inside"):
                EmptyOperator(task_id="deep")

        of_list.expand(x=[1, 2, 3])

        @task_group
        def of_task(x):
            use.override(task_id="each")(x)

        of_task.expand(x=numbers.override(task_id="many")())

    @twins("running", is_paused_upon_creation=False, default_args={"retries": 0})
    def running():
        @task
        def numbers():
            return [1, 2]

        @task
        def use(x):
            return x

        @task.branch
        def branch():
            return "left"

        use.override(task_id="of_a_task").expand(x=numbers()) >> EmptyOperator(task_id="all_of_them")
        literal = BashOperator.partial(task_id="literal").expand(bash_command=["true", "false"])
        literal >> [
            EmptyOperator(task_id="on_failure", trigger_rule="one_failed"),
            EmptyOperator(task_id="on_success"),
            EmptyOperator(task_id="in_any_case", trigger_rule="all_done"),
        ]
        branch() >> [EmptyOperator(task_id="left"), EmptyOperator(task_id="right")]
        up, down = EmptyOperator(task_id="up"), EmptyOperator(task_id="down")
        up.as_setup() >> use.override(task_id="between")(1) >> down.as_teardown(setups=up)

        @task_group
        def group(x):
            EmptyOperator(task_id="then").set_upstream(use.override(task_id="each")(x))

        group.expand(x=[1, 2])

    @twins("params", params={"n": Param(5, type="integer", minimum=1), "free": "x"})
    def params():
        EmptyOperator(task_id="only", params={"own": 1})

    @twins("config")
    def config():
        EmptyOperator(task_id="only", executor_config={"KubernetesExecutor": {"image": "x"}})


if VERSION >= (3, 1):
    from airflow.sdk import Asset

    if VERSION >= (3, 2):
        from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference, SyncCallback
    else:
        from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference

    HOUR = timedelta(hours=1)
    called = AsyncCallback("somewhere.missed", kwargs={"a": 1, "b": {"c": [1, None, {"d": "é"}]}, "e": []})
    bare = AsyncCallback("somewhere.missed")
    deadlines = [
        DeadlineAlert(reference=DeadlineReference.DAGRUN_LOGICAL_DATE, interval=HOUR * 1000000, callback=called),
        DeadlineAlert(reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=HOUR * 24.5, callback=bare),
        DeadlineAlert(
            reference=DeadlineReference.FIXED_DATETIME(datetime(2098, 5, 4, 3, 2, 1, 123456, timezone.utc)),
            interval=timedelta(microseconds=654321, seconds=-7),
            callback=called,
        ),
    ]
    if VERSION >= (3, 2):
        deadlines += [
            DeadlineAlert(
                reference=DeadlineReference.AVERAGE_RUNTIME(max_runs=3, min_runs=2), interval=HOUR, callback=bare
            ),
            DeadlineAlert(
                reference=DeadlineReference.DAGRUN_QUEUED_AT,
                interval=HOUR,
                callback=SyncCallback("somewhere.else.missed", kwargs={"x": "y"}, executor="LocalExecutor"),
                name="named",
            ),
        ]

    @twins("deadlines", deadline=deadlines)
    def of_deadlines():
        EmptyOperator(task_id="only")

    @twins("deadline", deadline=deadlines[1])
    def of_deadline():
        EmptyOperator(task_id="only")

    @twins("asset", [Asset("s3://bucket/in")])
    def asset():
        EmptyOperator(task_id="only", outlets=[Asset("s3://bucket/out")])


if VERSION >= (3, 3):
    from airflow.sdk.definitions.deadline import VariableInterval

    unknown = [
        DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=VariableInterval("ws_seconds"), callback=bare
        ),
        deadlines[1],
    ]

    @twins("variable", deadline=unknown)
    def of_variable():
        EmptyOperator(task_id="only")
