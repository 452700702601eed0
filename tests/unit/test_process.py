"""Children: what they are given, what others see of that, and that they end with their parent."""

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from server.process import parent_death
from server.process.parent_death import ending_with_us
from tests.until import until


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_child_has_what_it_is_given_and_ends_with_its_parent(number: signal.Signals) -> None:
    """Nobody else can read it: it is neither in the command line nor in the environment, nor left on stdin."""
    command = [sys.executable, "-m", "tests.unit.handed", "start"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert parent.stdout.readline() == "600000\n"
        for name in ("cmdline", "environ"):
            assert b"s3cret" not in Path(f"/proc/{child}/{name}").read_bytes()
        assert Path(f"/proc/{child}/fd/0").readlink() == Path(os.devnull)
        parent.send_signal(number)
        await until(lambda: gone(child))


def test_a_child_whose_parent_is_gone_already_ends() -> None:
    """It was busy starting when that happened, and no signal comes any more."""
    given = pickle.dumps((os.getppid(), {"secret": ""}))
    done = subprocess.run([sys.executable, "-m", "tests.unit.handed"], input=given, timeout=60, check=False)
    assert done.returncode == -signal.SIGTERM


async def test_a_program_of_others_gets_the_signal() -> None:
    """By way of `setpriv`, after whatever else that does."""
    script = (
        "import subprocess, sys; from server.process.parent_death import ending_with_us; import signal;"
        "child = subprocess.Popen([*ending_with_us(signal.SIGKILL, '--no-new-privs'), 'sleep', '600']);"
        "print(child.pid, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        # Before `setpriv` has run the program, nobody has asked for the signal.
        await until(lambda: Path(f"/proc/{child}/comm").read_text("utf-8") == "sleep\n")
        parent.kill()
        parent.wait()
    await until(lambda: gone(child))


def test_without_setpriv_programs_run_all_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They only outlive their parent then; what a sandbox forbids is left out likewise."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ending_with_us(signal.SIGKILL) == ()
    forbidding = tmp_path / "setpriv"
    forbidding.write_text("#!/bin/sh\nexit 1\n")
    forbidding.chmod(0o755)
    parent_death._works.cache_clear()
    assert ending_with_us(signal.SIGKILL) == ()
    assert ending_with_us(signal.SIGKILL, "--reuid=1") == (str(forbidding), "--reuid=1", "--")
