"""Airflow 1.10.15's own tests of the experimental API, against Windsock on the same database.

    .venv/bin/python -m tests.airflow.own_tests SOURCE [FILE...]

SOURCE is a checkout of Airflow at 1.10.15, as its tests are in no package. The files are those of this API in it,
unless some are named.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import asyncpg

from server.standalone.postgres import EmbeddedPostgres
from tests.airflow.real import CACHE, RealAirflow, find_python, install
from tests.airflow.releases import RELEASES
from tests.live import live_server

RELEASE = RELEASES["1.10.15"]
NEEDED = ("parameterized", "pytest", "mock", "flask-bcrypt<1")
# By the backend that they want.
FILES = {
    "default": (
        "tests/www/api/experimental/test_endpoints.py",
        "tests/www/api/experimental/test_dag_runs_endpoint.py",
        "tests/www_rbac/api/experimental/test_endpoints.py",
        "tests/www_rbac/api/experimental/test_dag_runs_endpoint.py",
    ),
    "password_auth": ("tests/www/api/experimental/test_password_endpoints.py",),
}


async def run(source: Path, files: dict[str, tuple[str, ...]]) -> int:
    """Run the files; 0 where every test passed."""
    python = find_python(RELEASE)
    assert python is not None, "Airflow 1.10.15 needs a Python 3.8 or 3.7"
    programs = install(RELEASE, python)
    uv = str(CACHE / "uv" / "bin" / "uv")
    await _call([uv, "pip", "install", "--quiet", "--python", str(programs / "python"), *NEEDED])
    postgres = EmbeddedPostgres(Path(tempfile.mkdtemp()))
    await postgres.start()
    failed = 0
    try:
        for backend, names in files.items():
            present = [name for name in names if (source / name).exists()]
            if present:
                failed |= await _run_beside(postgres, backend, source, present)
    finally:
        await postgres.stop()
    return failed


async def _run_beside(postgres: EmbeddedPostgres, backend: str, source: Path, files: list[str]) -> int:
    conn = await asyncpg.connect(postgres.dsn)
    await conn.execute(f"CREATE DATABASE own_{backend}")
    await conn.close()
    airflow = RealAirflow(RELEASE, Path(tempfile.mkdtemp()), postgres.dsn_of(f"own_{backend}"))
    await asyncio.to_thread(airflow.migrate)
    program = [airflow.python, str(Path(__file__).with_name("over_http.py"))]
    env = {**airflow.env, "AIRFLOW__CORE__LOAD_EXAMPLES": "True", "AIRFLOW__CORE__LOGGING_LEVEL": "ERROR"}
    async with live_server(airflow.dsn, auth_backend=backend) as url:
        return await _call([*program, url, str(source), *files], env)


async def _call(command: list[str], env: dict[str, str] | None = None) -> int:
    process = await asyncio.create_subprocess_exec(*command, env=env)
    return await process.wait()


if __name__ == "__main__":
    chosen = {"default": tuple(sys.argv[2:])} if sys.argv[2:] else FILES
    sys.exit(asyncio.run(run(Path(sys.argv[1]).resolve(), chosen)))
