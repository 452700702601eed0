"""`make loadtest`: runs locust's scenarios against a service that it starts, unless `--host` names one.

The report is `loadtest.txt`, `loadtest.html` and `loadtest_stats.csv` in `--report-dir`; the exit status is 1 if a
limit was missed.
"""

import argparse
import os
import queue
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

HERE = Path(__file__).parent
START = 120.0
USER = "loadtest"


def main() -> int:
    """Run the load test; return locust's exit status."""
    parser = argparse.ArgumentParser(prog="make loadtest", description=__doc__)
    parser.add_argument(
        "--host", help="such as https://windsock.example.org; credentials: WINDSOCK_USERNAME, _PASSWORD"
    )
    parser.add_argument("--users", default="40", help="how many callers (40)")
    parser.add_argument("--time", default="60s", help="for how long (60s)")
    parser.add_argument("--report-dir", type=Path, default=Path("loadtest-report"))
    parser.add_argument("--locust", default=shutil.which("locust"), help="the program; by default the one on the PATH")
    parser.add_argument("--windsock", default=shutil.which("windsock"), help="likewise, if no host is given")
    given, others = parser.parse_known_args()
    given.report_dir.mkdir(parents=True, exist_ok=True)
    if given.host:
        return locust(given, given.host, {}, others)
    with service(given.windsock) as (host, env):
        return locust(given, host, env, others)


def locust(given: argparse.Namespace, host: str, env: dict[str, str], others: list[str]) -> int:
    """Run locust against `host`, with all other options: `--dag`, `--factor`, `--max-failures`, and locust's own."""
    reports = [
        "--html", str(given.report_dir / "loadtest.html"),
        "--csv", str(given.report_dir / "loadtest"),
        "--report", str(given.report_dir / "loadtest.txt"),
    ]  # fmt: skip
    command = [
        given.locust, "-f", str(HERE / "locustfile.py"), "--headless", "--only-summary", "--host", host,
        # Do not count the waits while all callers come at once, for example for the first check of a password.
        "--users", given.users, "--spawn-rate", str(max(1.0, float(given.users) / 5)), "--reset-stats",
        "--run-time", given.time, "--stop-timeout", "20", *reports, *others,
    ]  # fmt: skip
    report = given.report_dir / "loadtest.txt"
    report.unlink(missing_ok=True)
    status = subprocess.run(command, env={**os.environ, **env}, check=False).returncode
    print(f"\nThe report is in {given.report_dir}: loadtest.html, loadtest.txt and CSV files\n")
    if report.exists():
        print(report.read_text("utf-8"), end="")
    return status


@contextmanager
def service(windsock: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Start `windsock standalone` with a user; yield its URL, and the credentials as environment variables."""
    with tempfile.TemporaryDirectory(prefix="windsock-loadtest-") as folder:
        options = {"AUTH_BACKEND": "password_auth", "ACCESS_LOG": "False", "DATA_DIR": folder, "PORT": "0"}
        env = {**os.environ, **{f"AIRFLOW__WINDSOCK__{name}": value for name, value in options.items()}}
        command = [windsock, "standalone", "--dags-folder", str(HERE / "dags")]
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            url = _url(process)
            password = secrets.token_urlsafe(12)
            _create_user(windsock, Path(folder), password)
            yield url, {"WINDSOCK_USERNAME": USER, "WINDSOCK_PASSWORD": password}
        finally:
            process.terminate()
            process.wait(60)


def _create_user(windsock: str, folder: Path, password: str) -> None:
    socket_dir = quote(str((folder / "socket").resolve()))
    dsn = f"postgresql://windsock@/postgres?host={socket_dir}&port=5432"
    env = {**os.environ, "AIRFLOW__WINDSOCK__SQL_ALCHEMY_CONN": dsn}
    command = [windsock, "create_user", "-u", USER]
    subprocess.run(command, env=env, input=password + "\n", text=True, check=True, stdout=subprocess.DEVNULL)


def _url(process: "subprocess.Popen[str]") -> str:
    """Return the URL that its output names; keep reading the output, because it would block otherwise."""
    lines: queue.Queue[str | None] = queue.Queue()
    output = process.stdout
    assert output is not None  # noqa: S101 - it was asked for

    def read() -> None:
        for line in output:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    said = []
    while (line := lines.get(timeout=START)) is not None:
        said.append(line)
        if found := re.match(r"curl -X POST (\S+?)/api/", line):
            return found[1]
    raise SystemExit(f"it does not start: {''.join(said)}")


if __name__ == "__main__":
    sys.exit(main())
