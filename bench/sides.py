"""The servers that are compared: how each is started on the bench's database."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import click

from bench import cache
from bench.works import API, READS, TRIGGER

_START_TIMEOUT = 120.0
_STOP_TIMEOUT = 20.0
_ALL = frozenset({*READS, TRIGGER})
Command = Callable[[int, str], tuple[list[str], dict[str, str]]]


@dataclass(frozen=True)
class Side:
    """A kind of server: `command(port, dsn)` gives its arguments and environment."""

    name: str
    title: str
    command: Command
    works: frozenset[str] = _ALL
    ready: str = f"{API}/test"
    postgrest: bool = False


@dataclass(frozen=True)
class Running:
    """A side that answers requests at `url`."""

    side: Side
    url: str
    pid: int


def windsock(workers: int, **options: str) -> Command:
    """`options` are of the section `[windsock]`."""

    def command(port: int, dsn: str) -> tuple[list[str], dict[str, str]]:
        environment = {
            "AIRFLOW_HOME": str(cache.CACHE / "windsock"),
            "AIRFLOW__WINDSOCK__SQL_ALCHEMY_CONN": dsn,
            "AIRFLOW__WINDSOCK__HOST": "127.0.0.1",
            "AIRFLOW__WINDSOCK__PORT": str(port),
            "AIRFLOW__WINDSOCK__WORKERS": str(workers),
            "AIRFLOW__WINDSOCK__ACCESS_LOG": "False",
            "AIRFLOW__WINDSOCK__AUTH_BACKEND": "default",
            **{f"AIRFLOW__WINDSOCK__{name.upper()}": value for name, value in options.items()},
        }
        return [str(Path(sys.executable).with_name("windsock")), "webserver"], environment

    return command


def _aiohttp(port: int, _dsn: str) -> tuple[list[str], dict[str, str]]:
    return [sys.executable, str(cache.HERE / "peers" / "bare.py"), str(port)], {}


def _fastapi(port: int, dsn: str) -> tuple[list[str], dict[str, str]]:
    options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    folder = str(cache.HERE / "peers")
    arguments = [str(cache.PYTHON), "-m", "uvicorn", "fastapi_app:app", "--app-dir", folder, "--port", str(port)]
    return [*arguments, *options], {"DATABASE_URL": dsn}


def _fastify(processes: int) -> Command:
    def command(port: int, dsn: str) -> tuple[list[str], dict[str, str]]:
        parts = urlsplit(dsn)
        environment = {
            "PGHOST": parse_qs(parts.query)["host"][0],
            "PGDATABASE": parts.path.strip("/"),
            "PGUSER": parts.username or "",
            "NODE_PATH": str(cache.NODE_MODULES),
            "NODE_ENV": "production",
        }
        return ["node", str(cache.HERE / "peers" / "node" / "fastify.js"), str(port), str(processes)], environment

    return command


def _postgrest(port: int, dsn: str) -> tuple[list[str], dict[str, str]]:
    environment = {
        "PGRST_DB_URI": dsn,
        "PGRST_DB_SCHEMAS": "public",
        "PGRST_DB_ANON_ROLE": urlsplit(dsn).username or "",
        "PGRST_DB_POOL": "10",
        "PGRST_SERVER_HOST": "127.0.0.1",
        "PGRST_SERVER_PORT": str(port),
        "PGRST_LOG_LEVEL": "crit",
    }
    return [str(cache.POSTGREST)], environment


def _airflow(port: int, dsn: str) -> tuple[list[str], dict[str, str]]:
    """Four workers, its default; they are not replaced every 30 seconds, which would disturb the others."""
    environment = {
        "PATH": f"{cache.AIRFLOW.parent}:{os.environ['PATH']}",
        "AIRFLOW_HOME": str(cache.CACHE / "airflow"),
        "AIRFLOW__CORE__SQL_ALCHEMY_CONN": dsn.replace("postgresql:", "postgresql+psycopg2:"),
        "AIRFLOW__CORE__STORE_SERIALIZED_DAGS": "True",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__API__AUTH_BACKEND": "airflow.api.auth.backend.default",
        "AIRFLOW__WEBSERVER__ACCESS_LOGFILE": "/dev/null",
        "AIRFLOW__WEBSERVER__WORKER_REFRESH_INTERVAL": "0",
    }
    return [str(cache.AIRFLOW), "webserver", "--hostname", "127.0.0.1", "--port", str(port)], environment


def available() -> Sequence[Side]:
    """Every side that is installed; says which are not."""
    sides = [
        Side("windsock", "Windsock", windsock(1)),
        Side("windsock2", "Windsock, 2 processes", windsock(2)),
        Side("aiohttp", "bare aiohttp", _aiohttp, frozenset({"test"})),
    ]
    optional = [
        (cache.PYTHON.exists(), Side("fastapi", "FastAPI + asyncpg", _fastapi)),
        (
            bool(shutil.which("node")) and (cache.NODE_MODULES / "fastify").exists(),
            Side("fastify2", "Fastify + postgres.js, 2 processes", _fastify(2)),
        ),
        (
            cache.POSTGREST.exists(),
            Side("postgrest", "PostgREST", _postgrest, _ALL - {"test"}, "/slot_pool", postgrest=True),
        ),
        (cache.AIRFLOW.exists(), Side("airflow", "Airflow 1.10.15, 4 workers", _airflow, _ALL - {"pool"})),
    ]
    for there, side in optional:
        if there:
            sides.append(side)
        else:
            click.echo(f"not installed, left out: {side.title}", err=True)
    return sides


@contextmanager
def running(side: Side, dsn: str) -> Iterator[Running]:
    """Serve the database while the block runs; raises ClickException when the side does not answer in time."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    arguments, environment = side.command(port, dsn)
    log_file = cache.CACHE / f"{side.name}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            arguments, env=_environment(environment), stdout=log, stderr=log, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _await_ready(process, url + side.ready, log_file)
        yield Running(side, url, process.pid)
    finally:
        _end(process)


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PG"))}
    return {**kept, **more}


def _await_ready(process: "subprocess.Popen[bytes]", url: str, log_file: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(url, timeout=10):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise click.ClickException(f"{process.args!r} does not answer; see {log_file}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(_STOP_TIMEOUT)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
