"""`windsock webserver` and `windsock initdb` as processes: how they refuse, start and stop."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from server.standalone.postgres import EmbeddedPostgres
from tests.acceptance.process import WINDSOCK, wait_until


def environment(dsn: str, **options: str) -> dict[str, str]:
    named = {f"AIRFLOW__WINDSOCK__{name.upper()}": value for name, value in {"port": "0", **options}.items()}
    return {**os.environ, "AIRFLOW__CORE__SQL_ALCHEMY_CONN": dsn, **named}


def refusal(command: str, env: Mapping[str, str], status: int = 1) -> str:
    done = subprocess.run([WINDSOCK, command], capture_output=True, text=True, timeout=60, env=env, check=False)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def webserver(dsn: str, tmp_path: Path, **options: str) -> Iterator[tuple[subprocess.Popen[str], str, Path]]:
    port, log = free_port(), tmp_path / "log"
    url = f"http://127.0.0.1:{port}"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [WINDSOCK, "webserver"], stderr=stderr, text=True, env=environment(dsn, port=str(port), **options)
        )
    try:
        wait_until(lambda: process.poll() is not None or '"serving"' in log.read_text())
        yield process, url, log
    finally:
        process.kill()
        process.wait()


def test_a_wrong_dsn_refuses_to_start(postgres: EmbeddedPostgres) -> None:
    """One line names what could not be reached, without the password."""
    line = refusal("webserver", environment("postgresql://me:hush@127.0.0.1:1/none"), status=5)
    assert "cannot connect to postgresql://me" in line
    assert "hush" not in line
    assert "none" in refusal("webserver", environment(postgres.dsn_of("none")), status=5)


def test_a_database_that_does_not_answer_refuses_to_start() -> None:
    """As one that is frozen: the line says what is wrong."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dsn = f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/none?connect_timeout=1"
        assert "no answer in time" in refusal("webserver", environment(dsn), status=5)


def test_a_database_without_schema_refuses_to_start(empty_database: str) -> None:
    """It names the command that makes the tables; that command is safe to run many times at once."""
    assert "windsock initdb" in refusal("webserver", environment(empty_database))
    commands = [subprocess.Popen([WINDSOCK, "initdb"], env=environment(empty_database)) for _ in range(5)]
    assert [command.wait(timeout=60) for command in commands] == [0] * 5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"port": "http"}, "AIRFLOW__WINDSOCK__PORT"),
        ({"auth_backend": "no.such.module"}, "no.such.module"),
        ({"host": "a..b"}, "a host name"),
        ({"admin_host": "a..b"}, "a host name"),
        ({"host": "0.0.0.0"}, "auth_backend"),  # noqa: S104 - what must be refused
    ],
)
def test_an_invalid_option_refuses_to_start(database: str, options: dict[str, str], words: str) -> None:
    """A line says where it was set and what would be right."""
    assert words in refusal("webserver", environment(database, **options))


def test_a_taken_port_names_the_option(database: str) -> None:
    """Whoever starts a second server learns how to choose another port."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        assert "[windsock] port" in refusal("webserver", environment(database, port=str(sock.getsockname()[1])))


def test_sigterm_finishes_what_is_under_way(database: str, tmp_path: Path) -> None:
    """The request that came before the signal is answered, a new connection is refused, the status is 0."""
    with webserver(database, tmp_path) as (process, url, log):
        body = b'{"name": "late", "slots": 1, "description": ""}'
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as sock:
            sock.sendall(
                b"POST /api/experimental/pools HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
            )
            time.sleep(0.3)
            process.send_signal(signal.SIGTERM)
            wait_until(lambda: _refuses(url))
            sock.sendall(body)
            assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert process.wait(timeout=30) == 0
        assert "Traceback" not in log.read_text()


def test_log_lines_are_structured_and_hold_no_conf(database: str, tmp_path: Path) -> None:
    """JSON when nobody watches, with the request's id, and never what a caller sent as conf."""
    with webserver(database, tmp_path) as (_, url, log):
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{url}/api/experimental/dags/none/dag_runs",
            data=b'{"conf": {"password": "hush"}}',
            headers={"X-Request-ID": "from-the-caller"},
        )
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(request, timeout=10)  # noqa: S310 - our own server
        wait_until(lambda: "from-the-caller" in log.read_text())
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        [access] = [line for line in lines if line.get("request_id") == "from-the-caller"]
        assert access["status"] == 404
        assert access["route"] == "/api/experimental/dags/{dag_id}/dag_runs"
        assert "hush" not in log.read_text()


def test_ten_at_once_make_one_schema(empty_database: str) -> None:
    """`initdb` in ten threads' processes: all succeed, one of them does the work."""
    statuses: list[int] = []

    def run() -> None:
        statuses.append(subprocess.run([WINDSOCK, "initdb"], env=environment(empty_database), check=False).returncode)

    threads = [threading.Thread(target=run) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [0] * 10


def _refuses(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return True
    return False
