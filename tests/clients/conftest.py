"""Clients that others wrote, installed once into a folder that git ignores."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.airflow.real import CACHE, REQUIREMENTS, find_python, install, installed, make_environment
from tests.airflow.releases import RELEASES

NPM = Path(__file__).parent / "npm"


async def run(command: Sequence[str], env: Mapping[str, str] | None = None, given: str = "") -> tuple[int, str, str]:
    """Run a program to its end: exit status, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=env,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(given.encode()), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@pytest.fixture(scope="session")
def airflow_programs() -> Path:
    """Install Airflow 1.10.15, which needs an old Python; the folder of its programs."""
    release = RELEASES["1.10.15"]
    python = find_python(release)
    if python is None:
        pytest.skip(f"Airflow {release.version} needs Python {' or '.join(release.pythons)}")
    return install(release, python)


@pytest.fixture(scope="session")
def airflow_env(airflow_programs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Make the environment of an Airflow with a database of its own, where its CLI writes its log."""
    home = tmp_path_factory.mktemp("airflow-cli")
    env = {
        "PATH": f"{airflow_programs}:{os.environ['PATH']}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__CLI__API_CLIENT": "airflow.api.client.json_client",
    }
    subprocess.run([airflow_programs / "airflow", "initdb"], env=env, check=True, capture_output=True, timeout=120)
    return env


@pytest.fixture(scope="session")
def airflow_api() -> Path:
    """Install npm's airflow-api; its folder."""
    if shutil.which("npm") is None:
        pytest.skip("airflow-api needs npm")
    folder = CACHE / "airflow-api"
    with installed(folder, (NPM / "package-lock.json").read_text("utf-8")) as missing:
        if missing:
            shutil.copytree(NPM, folder, dirs_exist_ok=True)
            command = ["npm", "ci", "--no-audit", "--no-fund", "--omit=dev"]
            # Not by --prefix, which fails where the cache is a link.
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
    return folder / "node_modules" / "airflow-api"


@pytest.fixture(scope="session")
def sdk_python() -> Path:
    """Install PyPI's airflow-restapi-sdk; the interpreter that has it."""
    folder, lock = CACHE / "airflow-restapi-sdk", REQUIREMENTS / "clients.txt"
    with installed(folder, lock.read_text("utf-8")) as missing:
        if missing:
            make_environment(folder, lock)
    return folder / "bin" / "python"
