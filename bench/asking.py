"""What the measurements of authentication and of permissions share: a server, load with credentials, and a verdict."""

import base64
import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click

from bench import cache
from bench.sides import Side, running, windsock
from bench.works import API

CONNECTIONS = 32
POOL = f"{API}/pools/default_pool"
USER, PASSWORD = "bench", "a good password"

Headers = Mapping[str, str]


def basic(user: str, password: str) -> str:
    """Return the credentials as the header has them."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def load(url: str, headers: Headers, seconds: int, path: str = POOL) -> float:
    """Requests/s for that path that were answered well."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as paths:
        paths.write(path)
        paths.flush()
        command = [cache.require_wrk(), f"-c{CONNECTIONS}", "-t1", f"-d{seconds}s"]
        command += [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
        command += ["-s", str(cache.HERE / "wrk.lua"), url, "--", "get", paths.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
    if found is None:
        raise click.ClickException(f"wrk failed: {done.stderr or done.stdout}")
    result = json.loads(found.removeprefix("RESULT "))
    return float((result["requests"] - result["failed"]) / result["seconds"])


@contextmanager
def served(dsn: str, name: str, **options: str) -> Iterator[str]:
    """Serve the database with these options of `[windsock]` while the block runs; yields the URL."""
    side = Side(f"auth-{name}", name, windsock(1, **options), ready="/health")
    with running(side, dsn) as target:
        yield target.url


def tell(what: str, measured: str, bar: str, *, met: bool) -> None:
    """Print a figure, and whether it is as wanted."""
    click.echo(f"{what:<48} {measured:<32} {bar}: {'met' if met else 'MISSED'}")
