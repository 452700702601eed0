"""A private machine with a systemd of its own: new namespaces over this machine's root, without a network."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BOOT = Path(__file__).with_name("boot.sh")
_LEFT_OUT = shutil.ignore_patterns(".*", "tests", "bench", "build", "dist", "*.egg-info", "__pycache__")
_PROGRAMS = ("unshare", "nsenter", "pivot_root", "ip", "systemctl", "pg_createcluster", "wrk", "prometheus", "nginx")
_ENVIRONMENT = ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"]
# What pip takes the packages from; the machine has no network.
_ENVIRONMENT += ["PIP_CONFIG_FILE=/dev/null", "PIP_NO_INDEX=1", "PIP_FIND_LINKS=/srv/wheels"]
_BOOT_TIMEOUT = 60.0
_UNSHARE = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork", "--kill-child"]
_UNSHARE += ["sh", str(_BOOT)]


def what_is_missing() -> str | None:
    """Say why no machine can be booted here, None if one can."""
    if os.getuid() != 0:
        return "only root can boot a private systemd"
    if missing := [program for program in _PROGRAMS if not shutil.which(program)]:
        return f"not installed: {', '.join(missing)} (scripts/apt-packages.sh installs them)"
    if "cgroup2" not in Path("/proc/filesystems").read_text():
        return "this kernel has no cgroup2, which systemd needs"
    return None


class Machine:
    """A machine that runs; `run` gives its root shell something to do."""

    def __init__(self, init: int, shared: Path) -> None:
        self.shared = shared
        self.password = ""
        self._enter = ["nsenter", f"--target={init}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]
        self._enter += ["--root", "--wd", "--", *_ENVIRONMENT]

    def run(self, script: str, timeout: float = 600) -> str:
        """Run what an operator types, as root in the checkout; what it prints. Fails when a command of it fails."""
        done = self._bash(f"cd /srv/windsock\n{script}", timeout)
        if done.returncode:
            journal = self._bash("journalctl --no-pager -n 40 -o cat -u 'windsock*'", 30).stdout
            raise AssertionError(f"{script}\nended with {done.returncode}:\n{done.stdout}\njournal:\n{journal}")
        return done.stdout

    def says(self, script: str) -> str:
        """What a command prints, whatever its status."""
        return self._bash(script, 60).stdout.strip()

    def ask(self, path: str, *options: str) -> tuple[int, str]:
        """Call the API as the user that the documents create; status and body."""
        url = path if "//" in path else f"http://127.0.0.1:8080{path}"
        curl = ["curl", "--silent", "--max-time", "120", "--write-out", "\n%{http_code}", *options, url]
        if "--user" not in options and self.password:
            curl[1:1] = ["--user", f"ann:{self.password}"]
        done = subprocess.run([*self._enter, *curl], capture_output=True, text=True, timeout=150, check=False)
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body

    def until(self, script: str, timeout: float = 30) -> None:
        """Wait until the script succeeds."""
        deadline = time.monotonic() + timeout
        while self._bash(script, timeout).returncode:
            assert time.monotonic() < deadline, f"not within {timeout} s: {script}"
            time.sleep(0.2)

    def start(self, script: str) -> "subprocess.Popen[str]":
        """Run something beside; its output is a pipe."""
        command = [*self._enter, "bash", "-c", script]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def pid(self, unit: str = "windsock.service") -> int:
        """Number of the unit's main process, 0 without one."""
        return int(self.says(f"systemctl show --property MainPID --value {unit}"))

    def workers(self) -> list[str]:
        """Numbers of the processes that serve."""
        return self.says(f"pgrep -P {self.pid()}").split()

    def _bash(self, script: str, timeout: float) -> "subprocess.CompletedProcess[str]":
        command = [*self._enter, "bash", "-euo", "pipefail", "-c", script]
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=timeout, check=False,
        )  # fmt: skip


@contextlib.contextmanager
def booted() -> Iterator[Machine]:
    """Boot a machine for the length of the block; a checkout is in its /srv/windsock, wheels in /srv/wheels."""
    with contextlib.ExitStack() as stack:
        # On a file system that can be below an overlay's mounts, and whose path leaves room for sockets.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="windsock-systemd-", dir="/var/tmp")))
        shared = folder / "machine" / "shared"
        shutil.copytree(ROOT, shared / "windsock", ignore=_LEFT_OUT)
        shutil.copy(Path(__file__).with_name("trigger.lua"), shared)
        _make_wheels(shared / "wheels")
        cgroup = stack.enter_context(_cgroup(folder))
        with (folder / "boot.log").open("w") as log:
            process = subprocess.Popen(
                ["sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', str(cgroup), *_UNSHARE, str(folder / "machine")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        stack.callback(process.wait)
        stack.callback(process.kill)
        yield _until_up(process, shared, folder / "boot.log")


def _make_wheels(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--quiet", "--wheel-dir", str(folder)]
    locks = [f"--requirement={ROOT / 'requirements' / name}.txt" for name in ("kerberos", "build", "man")]
    subprocess.run([*command, "--no-build-isolation", "--require-hashes", *locks], check=True, timeout=900)


@contextlib.contextmanager
def _cgroup(folder: Path) -> Iterator[Path]:
    """Make a group for the machine, in the hierarchy that this machine has or in one mounted for the purpose."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    root = next((Path(mount[1]) for mount in mounts if mount[2] == "cgroup2"), None)
    mounted = root is None
    if root is None:
        root = folder / "cgroup"
        root.mkdir()
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", root], check=True)
    group = root / folder.name
    group.mkdir()
    try:
        yield group
    finally:
        _remove(group)
        if mounted:
            subprocess.run(["umount", root], check=True)


def _remove(group: Path) -> None:
    deadline = time.monotonic() + 60
    while group.exists():
        for path, _, _ in os.walk(group, topdown=False):
            # Processes that were killed are still leaving it.
            with contextlib.suppress(OSError):
                Path(path).rmdir()
        assert time.monotonic() < deadline, f"{group} has processes yet"


def _until_up(process: "subprocess.Popen[bytes]", shared: Path, log: Path) -> Machine:
    deadline = time.monotonic() + _BOOT_TIMEOUT
    state = "nothing"
    while time.monotonic() < deadline and process.poll() is None:
        # The machine's first process is the only child of unshare.
        if children := Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            machine = Machine(int(children[0]), shared)
            state = machine.says("systemctl is-system-running")
            if re.search("^(running|degraded)$", state, re.MULTILINE):
                return machine
        time.sleep(0.5)
    raise AssertionError(f"systemd did not come up ({state}):\n{log.read_text()}")
