"""`windsock standalone` as a process of its own."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

WINDSOCK = str(Path(sys.executable).with_name("windsock"))
START_TIMEOUT = 60.0


class Standalone:
    """A running `windsock standalone`, with its output; ended with the block."""

    def __init__(
        self,
        data_dir: Path,
        *options: str,
        env: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
        cwd: Path | None = None,
        port: int = 0,
        timeout: float = START_TIMEOUT,
    ) -> None:
        self.data_dir = data_dir
        self.output: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._timeout = timeout
        default = [WINDSOCK, "standalone", "--port", str(port), "--data-dir", str(data_dir), *options]
        # Errors and log lines come in the order in which they were written.
        self.process = subprocess.Popen(
            command or default,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=cwd,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                self.output.append(line)
                self._lines.put(line)
        self._lines.put(None)

    def __enter__(self) -> Self:
        try:
            self.curl = self._wait_for_curl()
        except BaseException:
            self.process.kill()
            self.wait()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.wait()

    def _wait_for_curl(self) -> str:
        deadline = time.monotonic() + self._timeout
        while True:
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            assert line is not None, f"it ended: {self.text}"
            if line.startswith("curl "):
                return line

    @property
    def text(self) -> str:
        """All that it printed."""
        return "".join(self.output)

    @property
    def url(self) -> str:
        """Where it serves."""
        return self.curl.split()[3].partition("/api/")[0]

    @property
    def postmaster(self) -> int:
        """Process id of its Postgres."""
        return int((self.data_dir / "postgres" / "postmaster.pid").read_text().split("\n")[0])

    def wait(self) -> int:
        """Return its exit status, once all that it printed is read."""
        status = self.process.wait(timeout=60)
        self._reader.join(timeout=10)
        return status

    def stop(self, number: int) -> int:
        """Send it a signal, as a terminal or an init system would; returns its exit status."""
        self.process.send_signal(number)
        return self.wait()

    def paste(self) -> Any:  # noqa: ANN401 - JSON
        """Give the printed line to a shell; the answer."""
        done = subprocess.run(["sh", "-c", self.curl], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """GET a path below /api/experimental."""
        with urllib.request.urlopen(f"{self.url}/api/experimental/{path}", timeout=30) as answer:  # noqa: S310
            return json.load(answer)


def wait_until(condition: Callable[[], bool], timeout: float = 30.0) -> None:
    """Wait until the condition holds; fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Whether there is such a process that still does something."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
