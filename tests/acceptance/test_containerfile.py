"""deploy/Containerfile, as far as it can be tried where no image can be built: each line against what it says."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.acceptance.process import wait_until
from tests.acceptance.service import free_port

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy" / "Containerfile"


def instructions() -> list[tuple[str, str]]:
    """Each instruction and what follows it, without comments, on one line."""
    lines = [line for line in FILE.read_text("utf-8").splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    parts = (line.partition(" ") for line in joined.splitlines())
    return [(word, " ".join(rest.split())) for word, _, rest in parts if word]


def values(name: str) -> list[str]:
    """What follows every instruction of this name."""
    found = defaultdict(list)
    for word, rest in instructions():
        found[word].append(rest)
    return found[name]


def environment() -> dict[str, str]:
    """What ENV sets."""
    return dict(re.findall(r"(\S+?)=(\S+)", values("ENV")[0]))


def test_a_linter_has_nothing_to_say() -> None:
    """Hadolint, warnings included."""
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), FILE], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.timeout(600)
def test_what_it_copies_is_there_and_installs(tmp_path: Path) -> None:
    """The files that it copies are enough for its own line, run in another place; what it depends on is here."""
    place = tmp_path / "src"
    place.mkdir()
    for rest in values("COPY"):
        *sources, target = rest.split()
        if sources[0].startswith("--from="):
            continue
        for source in sources:
            into = place / (source if target == "./" else target)
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copy(ROOT / source, into)
    for install in (rest for rest in values("RUN") if "pip install" in rest):
        # Gssapi, which takes minutes to build, is what the tests themselves have.
        command = install.replace("kerberos.txt", "windsock.txt").replace("python -m", f"{sys.executable} -m")
        subprocess.run(["sh", "-ec", command.replace("/opt", str(tmp_path))], cwd=place, check=True)
    (installed,) = (tmp_path / "windsock").glob("lib/python*/site-packages")
    assert (installed / "server" / "schema.sql").read_bytes() == (ROOT / "schema.sql").read_bytes()
    program = tmp_path / "windsock" / "bin" / "windsock"
    assert subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("line", [rest for rest in values("RUN") if "apt-get" in rest])
def test_its_packages_exist(line: str) -> None:
    """By the names that Debian has for them."""
    packages = re.search(r"--no-install-recommends ([^&]*)", line)
    assert packages
    subprocess.run(["apt-cache", "show", *packages[1].split()], check=True, capture_output=True)


def environment_here(**more: str) -> dict[str, str]:
    """What the image sets, but that programs are those of the tests."""
    given = {name: value for name, value in environment().items() if name != "PATH"}
    return {**given, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **more}


async def test_it_starts_and_its_check_passes(database: str, tmp_path: Path) -> None:
    """Not as root, and only where somebody has chosen a backend."""
    assert values("USER") == ["10001"]
    command = [*json.loads(values("ENTRYPOINT")[0]), *json.loads(values("CMD")[-1])]
    env = environment_here(AIRFLOW_HOME=str(tmp_path), AIRFLOW__WINDSOCK__SQL_ALCHEMY_CONN=database)
    refused = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode != 0
    assert "without an auth_backend everyone could call the API" in refused.stderr
    admin, port = str(free_port()), str(free_port())
    env |= {"AIRFLOW__WINDSOCK__ADMIN_PORT": admin, "AIRFLOW__WINDSOCK__PORT": port}
    with subprocess.Popen(command, env={**env, "AIRFLOW__WINDSOCK__AUTH_BACKEND": "deny_all"}) as service:
        wait_until(lambda: check_passes(admin, "/ready"))
        assert check_passes(admin, "/live")
        service.terminate()
        assert service.wait(60) == 0
    assert not check_passes(admin, "/live")


def check_passes(admin_port: str, path: str) -> bool:
    """Whether the image's own check would pass of that path."""
    (check,) = values("HEALTHCHECK")
    text = check.partition("CMD ")[2].replace(environment()["AIRFLOW__WINDSOCK__ADMIN_PORT"], admin_port)
    command = json.loads(text.replace("/live", path))
    return subprocess.run(command, env=environment_here(), capture_output=True, check=False).returncode == 0
