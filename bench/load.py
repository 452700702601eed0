"""One measurement: wrk against a server, or pgbench against Postgres."""

import json
import subprocess
import tempfile
from pathlib import Path
from statistics import quantiles
from urllib.parse import parse_qs, urlsplit

import click

from bench import cache, works
from bench.data import DataSet
from bench.sides import Running
from bench.works import TRIGGER, Cell

Sample = dict[str, float]
_THREADS = 2
# Opening hundreds of connections is part of its time, though not of its figures.
_PGBENCH_SECONDS = 3
_FIRST_SECOND = 1_893_456_000  # 2030-01-01, after every run of the data set
_SECONDS_EACH = 30_000_000


class Load:
    """Measures cells on one database; `binaries` is the folder of Postgres' programs."""

    def __init__(self, data: DataSet, dsn: str, binaries: Path) -> None:
        self.data = data
        self.dsn = dsn
        self._wrk = cache.require_wrk()
        self._pgbench = cache.require_pgbench(binaries)
        self._triggers = 0

    def forget_triggers(self) -> None:
        """Start over with the dates of runs, once the table is tidy again."""
        self._triggers = 0

    def wrk(self, cell: Cell, target: Running, seconds: int) -> Sample:
        """Requests/s, p50 and p99 (milliseconds) of a server; `failed` counts what was not answered well."""
        threads = min(_THREADS, cell.connections)
        options = [f"-c{cell.connections}", f"-t{threads}", f"-d{seconds}s", "--timeout", "30s"]
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as paths:
            arguments = self._script_arguments(cell, target, Path(paths.name))
            command = [self._wrk, *options, "-s", str(cache.HERE / "wrk.lua"), target.url, "--", *arguments]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        result = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
        if result is None:
            raise click.ClickException(f"wrk failed: {done.stderr or done.stdout}")
        sample: Sample = json.loads(result.removeprefix("RESULT "))
        sample["rps"] = (sample["requests"] - sample["failed"]) / sample["seconds"]
        return sample

    def pgbench(self, cell: Cell, seconds: int) -> Sample:
        """The same of Postgres alone: one statement a transaction, prepared, as many clients as connections."""
        script = cache.HERE / "pgbench" / f"{cell.work}.sql"
        parts = urlsplit(self.dsn)
        with tempfile.TemporaryDirectory() as folder:
            prefix = Path(folder) / "log"
            options = ["-n", "-M", "prepared", "-c", str(cell.connections), "-j", str(min(_THREADS, cell.connections))]
            options += [
                "-T",
                str(max(_PGBENCH_SECONDS, seconds)),
                "-f",
                str(script),
                "--log",
                "--log-prefix",
                str(prefix),
            ]
            options += ["-D", f"second={self._next_second()}", "-D", f"dags={self.data.dags}"]
            options += ["-h", parse_qs(parts.query)["host"][0], "-U", parts.username or "", parts.path.strip("/")]
            done = subprocess.run([str(self._pgbench), *options], capture_output=True, text=True, check=False)
            if done.returncode:
                raise click.ClickException(f"pgbench failed: {done.stderr.partition(chr(10))[0]}")
            times = [
                int(line.split()[2]) for file in Path(folder).iterdir() for line in file.read_text("ascii").splitlines()
            ]
        tps = next(line.split()[2] for line in done.stdout.splitlines() if line.startswith("tps = "))
        hundredths = quantiles(times, n=100)
        return {"rps": float(tps), "p50": hundredths[49] / 1000, "p99": hundredths[98] / 1000, "failed": 0}

    def _script_arguments(self, cell: Cell, target: Running, paths: Path) -> list[str]:
        postgrest = target.side.postgrest
        if cell.work == TRIGGER:
            path, body = (works.ROW_PATH, works.ROW_BODY) if postgrest else (works.TRIGGER_PATH, works.TRIGGER_BODY)
            return ["trigger", str(self.data.dags), str(self._next_second()), path, body]
        asked = works.postgrest_paths(cell.work, self.data) if postgrest else works.paths(cell.work, self.data)
        paths.write_text("\n".join(asked), "utf-8")
        return ["get", str(paths)]

    def _next_second(self) -> int:
        self._triggers += 1
        return _FIRST_SECOND + self._triggers * _SECONDS_EACH
