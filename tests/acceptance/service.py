"""`windsock webserver` as a process of its own, with a configuration file and an admin listener."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.acceptance.process import WINDSOCK, wait_until


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def activated(fd: int) -> dict[str, Any]:
    """Arguments of a `Service` that is passed a listening socket, as systemd does it."""
    code = (
        "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid());"
        "os.execv(sys.argv[2], sys.argv[2:])"
    )
    return {"wrapper": [sys.executable, "-c", code, str(fd)], "fds": [fd], "env": {"LISTEN_FDS": "1"}}


class Service:
    """A running service; `options` are those of [windsock]."""

    def __init__(
        self,
        dsn: str,
        folder: Path,
        *,
        wrapper: Sequence[str] = (),
        fds: Sequence[int] = (),
        env: Mapping[str, str] | None = None,
        port: int = 0,
        **options: str,
    ) -> None:
        self.port, self.admin_port = port or free_port(), free_port()
        self._file, self._log = folder / "airflow.cfg", folder / "service.log"
        self._options = {"sql_alchemy_conn": dsn, "port": str(self.port), "admin_port": str(self.admin_port)}
        self._options |= {"shutdown_timeout": "5", "log_format": "json", "access_log": "False", **options}
        self._command = [*wrapper, WINDSOCK, "webserver"]
        self._fds = fds
        self._env = {**os.environ, "AIRFLOW_CONFIG": str(self._file), **(env or {})}
        self.configure()

    def configure(self, **options: str) -> None:
        """Write the file, with these options changed."""
        lines = [f"{key} = {value}" for key, value in {**self._options, **options}.items()]
        self._file.write_text("\n".join(["[windsock]", *lines, ""]), "utf-8")

    def __enter__(self) -> Self:
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=self._env, pass_fds=self._fds, start_new_session=True
            )
        try:
            wait_until(lambda: self.process.poll() is not None or '"serving"' in self.log)
            assert self.process.poll() is None, self.log
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._kill()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return self._log.read_text("utf-8")

    @property
    def url(self) -> str:
        """Start of the API's URLs."""
        return f"http://127.0.0.1:{self.port}/api/experimental"

    def workers(self) -> list[int]:
        """Numbers of the processes that serve."""
        done = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False)
        return [int(pid) for pid in done.stdout.split()]

    def reload(self, words: str) -> None:
        """Send SIGHUP and wait for one more line with these words."""
        before = self.log.count(words)
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.log.count(words) > before)

    def request(self, path: str, body: object = None, port: int | None = None, timeout: float = 30) -> tuple[int, Any]:
        """Send GET, or POST where there is a body; status and JSON (None where there is none)."""
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{port or self.port}{path}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data), timeout=timeout) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                text = error.read()
            return error.code, json.loads(text) if text.startswith(b"{") else None

    def status(self, path: str) -> int:
        """Status of GET."""
        return self.request(path)[0]

    def admin(self, path: str) -> tuple[int, Any]:
        """Answer of the admin listener."""
        return self.request(path, port=self.admin_port)

    def metrics(self) -> dict[str, float]:
        """Series and their values."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {key: float(value) for key, _, value in pairs}
