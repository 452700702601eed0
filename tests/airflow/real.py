"""A real Airflow: installed from PyPI into a folder of its own, with a database, a scheduler and what else it needs."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("WINDSOCK_AIRFLOW_CACHE", HERE.parent.parent / ".airflow-cache"))


class Release(NamedTuple):
    """One release and how it is installed: pins of its time, or nothing newer than a day."""

    version: str
    pythons: tuple[str, ...]
    before: str
    extra: tuple[str, ...] = ()

    @property
    def generation(self) -> int:
        """1, 2 or 3."""
        return int(self.version[0])


# SQLAlchemy 1.4 came out days before 1.10.15, which it breaks.
_OLD = ("SQLAlchemy<1.4", "setuptools<66")
RELEASES = {
    "1.10.15": Release("1.10.15", ("3.8", "3.7"), "2021-03-20", _OLD),
    "2.7.0": Release("2.7.0", ("3.11",), "2023-09-01"),
    "2.7.3": Release("2.7.3", ("3.11",), "2023-11-30"),
    "2.8.4": Release("2.8.4", ("3.11",), "2024-04-05"),
    "2.9.3": Release("2.9.3", ("3.11",), "2024-07-30"),
    "2.10.5": Release("2.10.5", ("3.11",), "2025-03-01"),
    "2.11.2": Release("2.11.2", ("3.11",), "2026-05-01"),
    "3.0.0": Release("3.0.0", ("3.11",), "2025-05-05", ("asyncpg",)),
    "3.0.6": Release("3.0.6", ("3.11",), "2025-10-01", ("asyncpg",)),
    "3.1.0": Release("3.1.0", ("3.11",), "2025-10-10", ("asyncpg",)),
    "3.1.8": Release("3.1.8", ("3.11",), "2026-05-01", ("asyncpg",)),
    "3.2.0": Release("3.2.0", ("3.11",), "2026-04-30", ("asyncpg",)),
    "3.3.2": Release("3.3.2", ("3.11",), "2026-11-30", ("asyncpg",)),
}


def find_python(release: Release) -> Path | None:
    """Find an interpreter that this release runs on: on PATH, or of pyenv."""
    for version in release.pythons:
        for found in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")):
            return found
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            candidate = Path(folder) / f"python{version}"
            if (
                candidate.exists()
                and subprocess.run([candidate, "-c", ""], check=False, capture_output=True).returncode == 0
            ):
                return candidate
    return None


def install(release: Release, python: Path) -> Path:
    """Install the release once; the folder of its programs."""
    folder = CACHE / f"airflow-{release.version}"
    stamp = folder / "windsock-installed"
    if not stamp.exists():
        uv = _uv()
        _run([uv, "venv", "--quiet", "--clear", "--python", str(python), str(folder)])
        packages = [f"apache-airflow=={release.version}", "psycopg2-binary", *release.extra]
        target = ["--python", str(folder / "bin" / "python"), "--exclude-newer", release.before]
        _run([uv, "pip", "install", "--quiet", *target, *packages])
        stamp.touch()
    return folder / "bin"


def install_beside(release: Release, package: str) -> Path:
    """Install a package, not what it needs, into a folder for the PYTHONPATH of an installed release."""
    folder = CACHE / package.replace("==", "-")
    stamp = folder / "windsock-installed"
    if not stamp.exists():
        python = CACHE / f"airflow-{release.version}" / "bin" / "python"
        target = ["--python", str(python), "--target", str(folder), "--no-deps"]
        _run([_uv(), "pip", "install", "--quiet", *target, package])
        stamp.touch()
    return folder


def _uv() -> str:
    uv = CACHE / "uv" / "bin" / "uv"
    if not uv.exists():
        _run([sys.executable, "-m", "venv", str(CACHE / "uv")])
        _run([str(CACHE / "uv" / "bin" / "python"), "-m", "pip", "install", "--quiet", "uv"])
    return str(uv)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def _run(
    command: Sequence[str], env: Mapping[str, str] | None = None, timeout: float = 600, given: str | None = None
) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=env, timeout=timeout, input=given)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


# Every file's DAGs are there, at least so many; each serialized DAG has its row of `dag`, the other way round too, and
# none was added for two seconds.
_PARSED = """
SELECT EXISTS (SELECT FROM job WHERE job_type = 'SchedulerJob' AND state = 'running')
    AND (SELECT count(*) >= $1 AND max(last_updated) < now() - interval '2 s' FROM serialized_dag WHERE dag_id ~ '^ws_')
    AND (SELECT count(*) FROM dag WHERE dag_id ~ '^ws_' AND dag_id !~ '[.]')
        = (SELECT count(DISTINCT dag_id) FROM serialized_dag WHERE dag_id ~ '^ws_')
"""


class RealAirflow:
    """One Airflow with its own database; SQLAlchemy understands the DSN that asyncpg does."""

    def __init__(self, release: Release, home: Path, dsn: str, dags_folder: Path = HERE / "dags", **env: str) -> None:
        """`env`: more of its environment."""
        self.release = release
        self.generation = release.generation
        self.dsn = dsn
        self.home = home
        self.go = home / "go"
        self._bin = CACHE / f"airflow-{release.version}" / "bin"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        url = dsn.removeprefix("postgresql://")
        self.env = {
            "PATH": f"{self._bin}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "AIRFLOW_HOME": str(home),
            "WINDSOCK_TEST_GO": str(self.go),
            **{f"AIRFLOW__{name}": value for name, value in self._settings(url).items()},
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder),
            **env,
        }

    def _settings(self, url: str) -> dict[str, str]:
        port, log_port = _free_port(), _free_port()
        connection = f"postgresql+psycopg2://{url}"
        return {
            "CORE__SQL_ALCHEMY_CONN": connection,
            "DATABASE__SQL_ALCHEMY_CONN": connection,
            "DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+asyncpg://{url}",
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": "6",
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "CORE__STORE_SERIALIZED_DAGS": "True",
            "CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "1",
            "CORE__ENABLE_XCOM_PICKLING": "False",
            "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "API__HOST": "127.0.0.1",
            "API__PORT": str(port),
            "API__WORKERS": "1",
            "API_AUTH__JWT_SECRET": "a secret of the tests and of nothing else, long enough for sha512, of 64+ bytes",
            "LOGGING__WORKER_LOG_SERVER_PORT": str(log_port),
            "CELERY__WORKER_LOG_SERVER_PORT": str(log_port),
            "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "SCHEDULER__PROCESSOR_POLL_INTERVAL": "1",
            "SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "2" if self.generation == 1 else "30",
            "SCHEDULER__CATCHUP_BY_DEFAULT": "False",
            "SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        }

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self._bin / "python")

    def migrate(self) -> None:
        """Make the tables."""
        self.run("airflow", *(["initdb"] if self.generation == 1 else ["db", "migrate"]))

    def run(self, program: str, *arguments: str) -> str:
        """Run a program of its environment to its end; what it printed."""
        return _run([str(self._bin / program), *arguments], self.env, 300)

    def ask(self, question: str, argument: object, **settings: str) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Call a function of in_airflow.py in this Airflow's environment, with some settings otherwise."""
        program = [self.python, str(HERE / "in_airflow.py"), question]
        env = {**self.env, **{f"AIRFLOW__{name}": value for name, value in settings.items()}}
        return json.loads(_run(program, env, 300, json.dumps(argument)).splitlines()[-1])

    def start(self) -> None:
        """Start the scheduler; for 3.x also what parses DAG files and what tasks report to."""
        parts = ["scheduler"] if self.generation < 3 else ["api-server", "dag-processor", "scheduler"]
        for part in parts:
            with (self.home / f"{part}.log").open("ab") as log:
                self._processes[part] = subprocess.Popen(
                    [str(self._bin / "airflow"), part], env=self.env, stdout=log, stderr=log, start_new_session=True
                )

    async def until_parsed(self) -> None:
        """Wait until the scheduler lives and every DAG of ours is in the database."""
        conn = await asyncpg.connect(self.dsn)
        try:
            least = 10 if self.generation == 1 else 130
            await until(lambda: conn.fetchval(_PARSED, least), "DAGs are parsed", 120, self)
        finally:
            await conn.close()

    def check_alive(self) -> None:
        """Fail with the end of its log where a part has ended."""
        for part, process in self._processes.items():
            if process.poll() is not None:
                log = (self.home / f"{part}.log").read_text("utf-8", errors="replace")
                raise AssertionError(f"{part} of Airflow {self.release.version} ended: {log[-5000:]}")

    def stop(self) -> None:
        """End all parts and what they started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in self._processes.values():
                if number == signal.SIGKILL or process.poll() is None:
                    try:
                        os.killpg(process.pid, number)
                    except ProcessLookupError:
                        continue
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline and any(p.poll() is None for p in self._processes.values()):
                time.sleep(0.1)
        for process in self._processes.values():
            process.wait()


async def until(
    condition: Callable[[], Awaitable[object]], what: str, seconds: float = 90, airflow: RealAirflow | None = None
) -> None:
    """Wait until an asynchronous `condition` holds, while the Airflow lives."""
    deadline = time.monotonic() + seconds
    while not await condition():
        if airflow is not None:
            airflow.check_alive()
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        await asyncio.sleep(0.3)
