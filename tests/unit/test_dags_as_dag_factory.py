"""Random DAG files mean the same as with dag-factory 1.1.0 in an Airflow 2.11.2, whose answers were recorded.

`tests/airflow/test_dag_factory.py` asks the real one about these, and about others.
"""

from pathlib import Path

from tests.airflow.dag_factory_answers import RECORDED, answer_to, differences, recorded
from tests.airflow.random_dag_files import random_case


def test_the_same_as_recorded(tmp_path: Path) -> None:
    """Ids, upstream tasks, options, groups, tags, params; and the same files are refused."""
    found, refused = {}, 0
    for seed, theirs in zip(RECORDED, recorded(), strict=True):
        ours = answer_to(random_case(seed), tmp_path / str(seed))
        refused += "error" in theirs
        if different := differences(ours, theirs):
            found[seed] = different
    assert found == {}
    assert refused < len(RECORDED) / 2
