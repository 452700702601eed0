"""A pytest plugin: with `WINDSOCK_NO_SKIPS=1` a test that is skipped has failed. `.ci/run` sets it."""

import os
from collections.abc import Generator

import pytest

SWITCH = "WINDSOCK_NO_SKIPS"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Refuse the skip of a test, by a mark, a fixture or itself."""
    report = yield
    _refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Refuse the skip of a whole module."""
    report = yield
    _refuse(report)
    return report


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    # What is expected to fail is reported as skipped too.
    if os.environ.get(SWITCH) == "1" and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: {SWITCH}=1 forbids to skip ({reason})"
