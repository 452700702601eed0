import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.acceptance.process import Standalone, is_running

ROOT = Path(__file__).parents[2]
# Downloads and compiles what is not in pip's cache.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def clone() -> Iterator[Path]:
    """Clone the project to where an ordinary user may work, below a path with a blank."""
    folder = Path(tempfile.mkdtemp(prefix="windsock-clone-"))
    place = folder / "wind sock"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(place)], check=True)
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "nobody", str(folder)], check=True)
    yield place
    shutil.rmtree(folder)


def as_ordinary_user(*command: str) -> Sequence[str]:
    """Run it as somebody who is not root."""
    if os.geteuid() != 0:
        return command
    return ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--", *command)


def test_make_run_on_a_fresh_clone(clone: Path) -> None:
    """It installs and serves; a second one beside it refuses and names the option; Ctrl-C ends all of it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = as_ordinary_user("make", "run", f"ARGS=--port {port}")
    home = str(clone.parent)
    env = {"HOME": home, "AIRFLOW_HOME": home, "PIP_CACHE_DIR": f"{home}/pip"}
    with Standalone(clone / ".windsock", command=command, cwd=clone, env=env, timeout=600) as windsock:
        assert windsock.url == f"http://127.0.0.1:{port}"
        assert windsock.paste()["run_id"]
        second = subprocess.run(
            command, cwd=clone, env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=60
        )
        assert second.returncode != 0
        assert "Installing" not in second.stdout
        assert "--port" in second.stderr
        postmaster = windsock.postmaster
        os.killpg(windsock.process.pid, signal.SIGINT)
        windsock.wait()
        assert not is_running(postmaster)
        assert "Traceback" not in windsock.text
    status = ["git", "-c", "safe.directory=*", "-C", str(clone), "status", "--porcelain"]
    assert subprocess.run(as_ordinary_user(*status), capture_output=True, text=True, check=True).stdout == ""
