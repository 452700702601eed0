"""A simulated year of schedules: the runs and data intervals of an Airflow 2.11.2 with dag-factory, and Windsock's.

What that Airflow says is recorded in schedules.json, with which `make test` compares. `make test-airflow` asks it again
about a few; `WINDSOCK_SCHEDULES=all` asks about all of them, and leaves a new record in the test's folder.
"""

import asyncio
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.database.schedule import read_schedule
from server.database.serialized import parse
from server.standalone.dags.plan import plan_dags
from server.standalone.dags.serialize import serialize_dag
from server.standalone.scheduler.schedule import plan
from server.wire.document import read_document
from tests.airflow.real import HERE, RealAirflow, find_python, install, install_beside
from tests.airflow.releases import RELEASES
from tests.airflow.simulated_year import ASKED_AGAIN, files, moments, summary

RELEASE = RELEASES["2.11.2"]
RECORD = HERE / "schedules.json"
ROOM = 16
# So many schedules of a year fit well into the time that a question may take.
PORTION = 30


@cache
def documents() -> dict[str, bytes]:
    """Return the DAGs as the database has them."""
    plans = plan_dags(read_document(yaml.safe_dump(files()).encode()), "/dags/year.yaml")
    return {one.dag_id: json.dumps(serialize_dag(one, "/dags/year.yaml")).encode() for one in plans}


@cache
def recorded() -> dict[str, Any]:
    """Return what that Airflow said."""
    answer: dict[str, Any] = json.loads(RECORD.read_text("utf-8"))
    return answer


def runs_of(dag_id: str, looks: Sequence[datetime]) -> list[list[str]]:
    """Go through the year as the scheduler does; a portion of runs has ended when the next is made."""
    dag = parse(dag_id, documents()[dag_id])
    assert dag is not None
    schedule = read_schedule(dag)
    if schedule is None:
        return []
    timetable, window = schedule.timetable, schedule.bounds.window(catchup_by_default=False)
    following, made = timetable.next_run(None, window, looks[0]), []
    for now in looks:
        while following is not None:
            following = timetable.resumed(following, window, now)
            planned = plan(timetable, window, following, now, ROOM)
            following = planned.next
            made += [[moment.astimezone(UTC).isoformat() for moment in interval] for interval in planned.due]
            if not planned.is_held:
                break
    return made


@pytest.mark.parametrize("dag_id", sorted(recorded()))
def test_every_run_is_airflows(dag_id: str) -> None:
    """The same runs with the same intervals, through both changes of the clocks and two outages.

    If Airflow's rules lead round in a circle, its scheduler never gets past that run; Windsock's does.
    """
    runs, known = runs_of(dag_id, list(moments())), recorded()[dag_id]
    comparable = runs[: known["number"]] if known["stuck"] else runs
    assert summary(comparable, stuck=known["stuck"]) == known
    assert len(runs) > len(comparable) or not known["stuck"]
    assert all(one[0] < other[0] for one, other in pairwise(runs))


def test_the_year_is_worth_it() -> None:
    """There are many schedules, and almost all of them have runs."""
    assert recorded().keys() == files().keys() > set(ASKED_AGAIN)
    assert sum(one["number"] > 0 for one in recorded().values()) >= 80


@pytest.mark.airflow
@pytest.mark.timeout(1200)
async def test_airflow_still_says_so(tmp_path: Path) -> None:
    """The record is what the real one says."""
    python = find_python(RELEASE)
    if python is None:
        pytest.skip(f"Airflow {RELEASE.version} needs Python {' or '.join(RELEASE.pythons)}")
    await asyncio.to_thread(install, RELEASE, python)
    beside = await asyncio.to_thread(install_beside, RELEASE, "dag-factory")
    file = tmp_path / "year.yaml"
    file.write_text(yaml.safe_dump(files(), sort_keys=False))
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    airflow = RealAirflow(RELEASE, tmp_path, nowhere, tmp_path, PYTHONPATH=str(beside), DO_NOT_TRACK="1")
    asked = list(files()) if os.environ.get("WINDSOCK_SCHEDULES") == "all" else list(ASKED_AGAIN)
    question = {"file": str(file), "moments": [moment.isoformat() for moment in moments()]}
    answer: dict[str, Any] = {}
    for portion in batched(asked, PORTION):
        part = {**question, "dag_ids": portion}
        answer |= await asyncio.to_thread(airflow.ask_of, "schedules_in_airflow.py", part)
    # To be copied if the difference is meant.
    (tmp_path / RECORD.name).write_text(written(answer), "utf-8")
    assert json.loads(written(answer)) == {dag_id: recorded()[dag_id] for dag_id in asked}


def batched(names: Sequence[str], size: int) -> list[Sequence[str]]:
    """Return the names in portions."""
    return [names[n : n + size] for n in range(0, len(names), size)]


def written(answer: dict[str, Any]) -> str:
    """Return the record of an answer, with a line for each DAG."""
    lines = (f" {json.dumps(dag_id)}: {json.dumps(summary(**one))}" for dag_id, one in sorted(answer.items()))
    return "{\n" + ",\n".join(lines) + "\n}\n"
