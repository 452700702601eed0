"""DAGs with every kind of schedule that Airflow 2 and 3 have; of each one for Windsock and one for Airflow.

They have a file of their own, as every task of the other DAGs reads the file that it is in.
"""

from datetime import timedelta

import airflow
import pendulum
from dateutil.relativedelta import relativedelta

GENERATION = int(airflow.__version__.split(".")[0])

if GENERATION == 3:
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG, Asset

    try:
        from airflow.sdk import (
            AssetOrTimeSchedule,
            CronDataIntervalTimetable,
            CronTriggerTimetable,
            DeltaDataIntervalTimetable,
        )
    except ImportError:
        from airflow.timetables.assets import AssetOrTimeSchedule
        from airflow.timetables.interval import CronDataIntervalTimetable, DeltaDataIntervalTimetable
        from airflow.timetables.trigger import CronTriggerTimetable
if GENERATION == 2:
    from airflow import DAG
    from airflow.datasets import Dataset
    from airflow.operators.empty import EmptyOperator
    from airflow.timetables.interval import CronDataIntervalTimetable
    from airflow.timetables.trigger import CronTriggerTimetable

    try:
        from airflow.timetables.datasets import DatasetOrTimeSchedule
    except ImportError:
        DatasetOrTimeSchedule = None

if GENERATION > 1:
    from airflow.timetables import events
    from airflow.timetables import trigger as triggers

    SCHEDULES = {
        "none": None,
        "once": "@once",
        "daily": "@daily",
        "hourly": "@hourly",
        "weekly": "@weekly",
        "yearly": "@yearly",
        "cron": "0 3 * * *",
        "nth": "30 2 * * MON#1",
        "either": "0 6 13 * FRI",
        "six_hours": "0 */6 * * *",
        "half_hours": "*/30 * * * *",
        "last": "0 0 L * *",
        "delta": timedelta(hours=5, minutes=30),
        "months": relativedelta(months=1),
        "trigger": CronTriggerTimetable("0 3 * * *", timezone="UTC", interval=timedelta(hours=2)),
    }
    if GENERATION == 3:
        CRONS = {"interval_cron": "0 3 * * *", "interval_either": "0 6 13 * FRI", "interval_half": "*/30 * * * *"}
        SCHEDULES.update((name, CronDataIntervalTimetable(cron, timezone="UTC")) for name, cron in CRONS.items())
        SCHEDULES["interval_delta"] = DeltaDataIntervalTimetable(timedelta(days=1))
        SCHEDULES["interval_months"] = DeltaDataIntervalTimetable(relativedelta(months=1))
    CRON = "30 2 * * *"
    EVENTS = [pendulum.datetime(2024, month, 1) for month in (2, 4, 11)]
    # What one zone suffices for, and what not every release has.
    if GENERATION == 3:
        assets = [Asset("ws_asset")]
        either = AssetOrTimeSchedule(timetable=CronDataIntervalTimetable(CRON, timezone="Europe/Berlin"), assets=assets)
        MORE = {"assets": assets, "assets_or_time": either}
    else:
        assets = [Dataset("ws_dataset")]
        MORE = {"assets": assets, "weekdays": "0 3 * * 1-5"}
        if DatasetOrTimeSchedule:
            nested = CronDataIntervalTimetable(CRON, timezone="Europe/Berlin")
            MORE["assets_or_time"] = DatasetOrTimeSchedule(timetable=nested, datasets=assets)
    for restrict in (False, True):
        MORE["events_%s" % restrict] = events.EventsTimetable(EVENTS, restrict_to_events=restrict)
    MORE["trigger_months"] = triggers.CronTriggerTimetable(CRON, timezone="Europe/Berlin", interval=relativedelta(months=1))
    if hasattr(triggers, "DeltaTriggerTimetable"):
        MORE["delta_trigger"] = triggers.DeltaTriggerTimetable(timedelta(days=2), interval=timedelta(hours=7))
    if hasattr(triggers, "CronPartitionTimetable"):
        MORE["partition"] = triggers.CronPartitionTimetable(CRON, timezone="Europe/Berlin")
    if hasattr(triggers, "MultipleCronTriggerTimetable"):
        MORE["multiple"] = triggers.MultipleCronTriggerTimetable(
            CRON, "0 4 * * *", timezone="Europe/Berlin", interval=timedelta(hours=3)
        )
    ZONES = {"utc": "UTC", "berlin": "Europe/Berlin", "new_york": "America/New_York", "lord_howe": "Australia/Lord_Howe"}
    for zone, place in ZONES.items():
        for name, schedule in dict(SCHEDULES, **(MORE if zone == "berlin" else {})).items():
            if GENERATION == 3 and name in CRONS:
                schedule = CronDataIntervalTimetable(CRONS[name], timezone=place)
            for twin in ("ours", "theirs"):
                dag_id = "ws_times_%s_%s_%s" % (zone, name, twin)
                start = pendulum.datetime(2020, 1, 1, tz=place)
                dag = DAG(dag_id, schedule=schedule, start_date=start, catchup=False, is_paused_upon_creation=True)
                globals()[dag_id] = dag
                EmptyOperator(task_id="nothing", dag=dag)
