"""A real Airflow: installed into a folder of its own, with a database, a scheduler and what else it needs."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from tests.airflow.releases import LOCKED, Release

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CACHE = Path(os.environ.get("WINDSOCK_AIRFLOW_CACHE", ROOT / ".airflow-cache"))
REQUIREMENTS = ROOT / "requirements"


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
    target = ["--python", str(folder / "bin" / "python"), "--exclude-newer", release.before]
    lock = REQUIREMENTS / f"airflow-{release.version}.txt"
    with installed(folder, lock.read_text("utf-8") if release.version in LOCKED else release.before) as missing:
        if missing:
            _run([_uv(), "venv", "--quiet", "--clear", "--python", str(python), str(folder)])
            what = ["--require-hashes", "-r", str(lock)] if release.version in LOCKED else release.packages
            _run([_uv(), "pip", "install", "--quiet", *target, *what])
    return folder / "bin"


def install_beside(release: Release, name: str) -> Path:
    """Install the package of that lock, not what it needs, into a folder for the PYTHONPATH of an installed release."""
    folder, lock = CACHE / name, REQUIREMENTS / f"{name}.txt"
    with installed(folder, lock.read_text("utf-8")) as missing:
        if missing:
            python = CACHE / f"airflow-{release.version}" / "bin" / "python"
            target = ["--python", str(python), "--target", str(folder), "--no-deps"]
            _run([_uv(), "pip", "install", "--quiet", *target, "--require-hashes", "-r", str(lock)])
    return folder


@contextmanager
def installed(folder: Path, lock: str) -> Iterator[bool]:
    """Tell whether the block has to install what `lock` says into the folder, and keep in mind that it did."""
    stamp = folder / "windsock-installed"
    missing = not stamp.exists() or stamp.read_text("utf-8") != lock
    yield missing
    if missing:
        stamp.write_text(lock, "utf-8")


def _uv() -> str:
    folder, lock = CACHE / "uv", REQUIREMENTS / "uv.txt"
    with installed(folder, lock.read_text("utf-8")) as missing:
        if missing:
            make_environment(folder, lock)
    return str(folder / "bin" / "uv")


def make_environment(folder: Path, lock: Path) -> None:
    """Make a virtual environment of this Python with the packages of a lock file."""
    _run([sys.executable, "-m", "venv", "--clear", str(folder)])
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    _run([*pip, "--require-hashes", "-r", str(lock)])


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
            # Its default is one place for the whole machine, where a clone of an earlier run would answer for this one.
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
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
        return self.ask_of("in_airflow.py", argument, question, **settings)

    def ask_of(self, file: str, argument: object, *words: str, **settings: str) -> Any:  # noqa: ANN401 - as above
        """Run a file of this folder in this Airflow's environment: JSON on its standard input and output."""
        env = {**self.env, **{f"AIRFLOW__{name}": value for name, value in settings.items()}}
        return json.loads(
            _run([self.python, str(HERE / file), *words], env, 300, json.dumps(argument)).splitlines()[-1]
        )

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
            await until(lambda: conn.fetchval(_PARSED, least), "DAGs are parsed", 300, self)
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
