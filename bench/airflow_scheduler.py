"""A real Airflow 2.11.2 with its LocalExecutor, to measure its scheduler; installed into `.airflow-cache`."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from server.standalone.postgres import EmbeddedPostgres
from tests.airflow.real import RealAirflow, find_python, install, until
from tests.airflow.releases import RELEASES

RELEASE = RELEASES["2.11.2"]
# Better than its defaults: more tasks a look, hardly a sleep when idle, no more workers than two cores feed.
SETTINGS = {
    "AIRFLOW__CORE__PARALLELISM": "8",
    "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "512",
    "AIRFLOW__SCHEDULER__MAX_TIS_PER_QUERY": "512",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.05",
    "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "600",
}
DAGS = """
from airflow import DAG
from airflow.operators.bash import BashOperator
from airflow.operators.empty import EmptyOperator
from airflow.operators.python import PythonOperator
from pendulum import datetime

def nothing():
    pass

KINDS = {{
    "noop": lambda name: EmptyOperator(task_id=name),
    "bash": lambda name: BashOperator(task_id=name, bash_command="true"),
    "python": lambda name: PythonOperator(task_id=name, python_callable=nothing),
}}
for dag_id, count in {counts!r}.items():
    with DAG(dag_id, schedule=None, start_date=datetime(2020, 1, 1)) as dag:
        for n in range(count):
            KINDS[dag_id](f"t{{n}}")
    globals()[dag_id] = dag
"""


@asynccontextmanager
async def airflow_scheduler(postgres: EmbeddedPostgres, folder: Path, counts: Mapping[str, int]) -> AsyncIterator[str]:
    """Run its scheduler on a database of its own, whose DSN this yields, with so many tasks of each kind."""
    python = find_python(RELEASE)
    if python is None:
        message = f"Airflow {RELEASE.version} needs Python {' or '.join(RELEASE.pythons)}"
        raise SystemExit(message)
    install(RELEASE, python)
    conn = await asyncpg.connect(postgres.dsn)
    await conn.execute("CREATE DATABASE airflow")
    await conn.close()
    home, dags = folder / "airflow", folder / "airflow-dags"
    home.mkdir()
    dags.mkdir()
    (dags / "dags.py").write_text(DAGS.format(counts=dict(counts)))
    airflow = RealAirflow(RELEASE, home, postgres.dsn_of("airflow"), dags, **SETTINGS)
    airflow.migrate()
    airflow.start()
    try:
        await _until_parsed(airflow, len(counts))
        yield airflow.dsn
    finally:
        airflow.stop()


async def _until_parsed(airflow: RealAirflow, count: int) -> None:
    conn = await asyncpg.connect(airflow.dsn)
    try:
        parsed = "SELECT count(*) = $1 FROM serialized_dag JOIN dag USING (dag_id)"
        await until(lambda: conn.fetchval(parsed, count), "DAGs are parsed", 120, airflow)
    finally:
        await conn.close()
