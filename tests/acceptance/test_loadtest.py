"""The load test of deploy/loadtest: a short run with locust itself, and its judgement."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.process import WINDSOCK

sys.path.insert(0, "deploy/loadtest")

from verdict import LIMITS, Row, judge

RUN = [sys.executable, "deploy/loadtest/run.py", "--locust", ".loadtest/bin/locust", "--windsock", WINDSOCK]
ROWS = [Row(name, 100, 0, 5.0) for name in LIMITS]


@pytest.fixture(scope="module", autouse=True)
def _environment() -> None:
    """Install locust where it is missing."""
    subprocess.run(["scripts/venv.sh", "loadtest", ".loadtest"], check=True, capture_output=True)


def run(folder: Path, *options: str) -> tuple[int, str]:
    command = [*RUN, "--report-dir", str(folder), "--users", "12", "--time", "12s", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = folder / "loadtest.txt"
    return done.returncode, report.read_text() if report.exists() else done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_short_run(tmp_path: Path) -> None:
    """It starts a service, plays all callers, writes text, HTML and CSV, and exits with 0."""
    status, report = run(tmp_path, "--factor", "20")
    assert status == 0, report
    assert report.endswith("passed\n")
    lines = {line[:26].strip(): line[26:].split() for line in report.splitlines()}
    expected = set(LIMITS) - {"poller: state"}
    assert expected <= set(lines), report
    assert all(int(lines[name][0]) > 0 and lines[name][1] == "0" for name in expected)
    assert "poller: state" not in lines
    assert "poller: trigger" in (tmp_path / "loadtest.html").read_text()
    assert "poller: trigger" in (tmp_path / "loadtest_stats.csv").read_text()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_service_that_cannot_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an older one: callers then ask again and again."""
    monkeypatch.setenv("AIRFLOW__WINDSOCK__WAIT_LIMIT", "0")
    _, report = run(tmp_path, "--users", "4", "--time", "6s", "--factor", "20")
    assert re.search(r"poller: state +[1-9]", report), report


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_service_that_is_away(tmp_path: Path) -> None:
    """What fails is counted, and the exit status is 1."""
    status, report = run(tmp_path, "--host", "http://127.0.0.1:1", "--users", "5", "--time", "7s")
    assert status == 1
    assert "FAILED" in report
    assert re.search(r"poller: trigger: \d+ of \d+ failed", report)


def test_limits() -> None:
    """Within them all is well; slow or failing requests, and none at all, are not."""
    assert judge(ROWS, [], 0.01, 1.0)[1]
    assert judge([*ROWS, Row("farm: trigger", 1000, 10, 5.0)], [], 0.01, 1.0)[1]
    text, passed = judge([*ROWS, Row("farm: trigger", 1000, 11, 5.0)], ["11 x farm: trigger: 503"], 0.01, 1.0)
    assert not passed
    assert "11 x farm: trigger: 503" in text
    assert "farm: trigger: 11 of 1000 failed, more than 1.00%" in text
    text, passed = judge([*ROWS, Row("poller: state", 10, 0, 301.0)], [], 0.01, 1.0)
    assert not passed
    assert "poller: state: 95 % within 301 ms, the limit is 300 ms" in text
    assert judge([*ROWS, Row("poller: state", 10, 0, 301.0)], [], 0.01, 2.0)[1]
    assert not judge([], [], 0.01, 1.0)[1]
