"""A kill -9 of schedulers, tasks and Postgres at random moments."""

from pathlib import Path

import pytest

from tests.chaos import storm


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_storm(tmp_path: Path) -> None:
    """At the end every run is finished; no task ran or succeeded twice; no pool was over its slots."""
    outcome = await storm(tmp_path, 20, seed=8)
    assert not outcome.problems
    assert outcome.killed.keys() == {"scheduler", "task", "postgres"}
    assert outcome.runs["success"] > 3
    assert outcome.runs.keys() == {"success"}
