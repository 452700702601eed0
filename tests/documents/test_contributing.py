"""Whoever follows CONTRIBUTING.md gets what it promises: an endpoint."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from tests.acceptance.service import Service
from tests.contract import cases
from tests.documents.walk import apply, copy_checkout, steps

HEADING = "Add an endpoint"
CHECKS = {
    "ruff": ("-m", "ruff", "check", "--no-cache", "server", "tests/integration", "tests/airflow"),
    "format": ("-m", "ruff", "format", "--check", "--no-cache", "server", "tests/integration", "tests/airflow"),
    "mypy": ("-m", "mypy", "server", "tests/integration/test_additions.py"),
    "rooms": ("-c", "from importlinter.cli import lint_imports_command as main; main()", "--no-cache"),
}
OPENAPI = "tests/integration/test_openapi.py"
BESIDE = "tests/airflow/test_description.py::test_answers_are_as_described"
TESTS = (
    *(f"{OPENAPI}::{name}" for name in ("test_every_route_is_described_and_back", "test_answers_are_as_described")),
    "tests/integration/test_additions.py::test_runs_are_counted_by_state",
    # One of each generation.
    *(f"{BESIDE}[{release}]" for release in ("1.10.15", "2.10.5", "3.3.2")),
)


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, with the steps done."""
    folder = tmp_path_factory.mktemp("walk")
    copy_checkout(folder)
    for step in steps(HEADING):
        apply(step, folder)
    return folder


def run(folder: Path, *command: str) -> None:
    """Run Python there; its own packages come first. Fails if it fails."""
    done = subprocess.run(
        [sys.executable, "-P", *command], cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("check", CHECKS)
def test_the_checks_of_make_lint_pass(walked: Path, check: str) -> None:
    """The blocks keep the rules of the house."""
    run(walked, *CHECKS[check])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_tests_pass(walked: Path) -> None:
    """Those that the steps write: also beside each generation of Airflow, with the rights that are granted."""
    run(walked, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *TESTS)


@pytest.mark.slow
async def test_the_service_has_the_endpoint(walked: Path, database: str, tmp_path: Path) -> None:
    """As a program of its own, on a real Postgres."""
    connection = await asyncpg.connect(database)
    await connection.execute(cases.ROWS.read_text())
    await connection.close()
    with Service(database, tmp_path, env={"PYTHONPATH": str(walked)}) as service:
        answer = await asyncio.to_thread(service.request, "/api/experimental/dags/ref_setup/run_states")
        assert answer == (200, {"failed": 1, "running": 1, "success": 2})
        assert await asyncio.to_thread(service.status, "/api/experimental/dags/nope/run_states") == 404
