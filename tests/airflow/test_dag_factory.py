"""Random DAG files, read by Windsock and by dag-factory in a real Airflow 2.11.2: the same tasks, groups and options.

`make test-airflow` runs this, `make test` does not. `WINDSOCK_DAG_FILES=5000` tries as many.
"""

import asyncio
import json
import os
from pathlib import Path

import pytest

from tests.airflow.dag_factory_answers import RECORDED, answer_to, differences, recorded
from tests.airflow.random_dag_files import random_case
from tests.airflow.real import RealAirflow, find_python, install, install_beside
from tests.airflow.releases import RELEASES

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]

RELEASE = RELEASES["2.11.2"]
_FILES = int(os.environ.get("WINDSOCK_DAG_FILES", "300"))


async def test_the_same_as_dag_factory(tmp_path: Path) -> None:
    """The recorded answers are still true, and those about other files are the same as Windsock's."""
    python = find_python(RELEASE)
    if python is None:
        pytest.skip(f"Airflow {RELEASE.version} needs Python {' or '.join(RELEASE.pythons)}")
    await asyncio.to_thread(install, RELEASE, python)
    beside = await asyncio.to_thread(install_beside, RELEASE, "dag-factory")
    # Nothing of a database is asked for.
    airflow = RealAirflow(RELEASE, tmp_path, "postgresql://nowhere/", PYTHONPATH=str(beside), DO_NOT_TRACK="1")
    cases = [random_case(seed) for seed in range(max(_FILES, len(RECORDED)))]
    asked = [[case.files, case.path, case.environment] for case in cases]
    answers = await asyncio.to_thread(airflow.ask_of, "in_dag_factory.py", asked)
    # To be copied if the difference is meant.
    (tmp_path / "dag_factory.json").write_text(json.dumps(answers[: len(RECORDED)], sort_keys=True), "utf-8")
    found = {}
    for seed, (case, theirs) in enumerate(zip(cases, answers, strict=True)):
        if different := differences(answer_to(case, tmp_path / str(seed)), theirs):
            found[seed] = different
    assert found == {}
    assert answers[: len(RECORDED)] == recorded()
