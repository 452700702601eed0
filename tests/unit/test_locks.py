"""The lock files: they cover what setup.py asks for, are exact, and say nothing about where packages come from."""

import json
import re
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.airflow.releases import LOCKED

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "requirements"
LOCKS = sorted(FOLDER.glob("*.txt"))
NPM_LOCKS = [
    ROOT / "bench" / "peers" / "node" / "package-lock.json",
    ROOT / "tests" / "clients" / "npm" / "package-lock.json",
]
# What is installed from each: the extras of setup.py.
EXTRAS = {
    "windsock": (),
    "kerberos": ("kerberos",),
    "standalone": ("standalone",),
    "loadtest": ("loadtest",),
    "test": ("standalone", "kerberos", "test"),
}
_ENTRY = re.compile(
    r"(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ; [^\\]+)? \\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+"
)


def entries(lock: Path) -> dict[str, str]:
    """The version of each package; the one for this Python alone where there are several."""
    return {found["name"]: found["version"] for found in _ENTRY.finditer(lock.read_text("utf-8"))}


def wanted(*extras: str) -> Iterator[Requirement]:
    """What setup.py asks for here, as it was when this was installed."""
    for text in requires("windsock") or ():
        requirement = Requirement(text)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


@pytest.mark.parametrize("name", EXTRAS)
def test_a_lock_has_what_setup_asks_for(name: str) -> None:
    """Every requirement is there, in a release within its bounds."""
    locked = entries(FOLDER / f"{name}.txt")
    wrong = [
        f"{requirement} is {locked.get(canonicalize_name(requirement.name), 'missing')}"
        for requirement in wanted(*EXTRAS[name])
        if not requirement.specifier.contains(locked.get(canonicalize_name(requirement.name), "0"), prereleases=True)
    ]
    assert wrong == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_is_exact_and_names_no_index(lock: Path) -> None:
    """Apart from comments it is versions and hashes, nothing else."""
    text = re.sub(r"^#.*\n", "", lock.read_text("utf-8"), flags=re.MULTILINE)
    assert entries(lock)
    assert _ENTRY.sub("", text) == ""
    assert "://" not in lock.read_text("utf-8")


@pytest.mark.parametrize("lock", NPM_LOCKS, ids=lambda path: path.parent.name)
def test_a_lock_of_npm_is_exact_and_names_no_registry(lock: Path) -> None:
    """Every package has its hash; `resolved` would say where it was found when the file was written."""
    found = json.loads(lock.read_text("utf-8"))
    packages = {name: package for name, package in found["packages"].items() if name}
    assert packages
    assert [name for name, package in packages.items() if not package.get("integrity")] == []
    assert [name for name, package in packages.items() if "resolved" in package] == []
    asked = json.loads(lock.with_name("package.json").read_text("utf-8"))["dependencies"]
    assert found["packages"][""]["dependencies"] == asked


def test_all_locks_agree() -> None:
    """What runs in production is what was tested, and what builds it becomes no part of it."""
    tested = entries(FOLDER / "test.txt")
    for name in ("windsock", "kerberos", "standalone", "loadtest", "man"):
        locked = entries(FOLDER / f"{name}.txt")
        assert {
            package: version for package, version in locked.items() if tested.get(package, version) != version
        } == {}
    build = entries(FOLDER / "build.txt")
    assert build.keys() & entries(FOLDER / "kerberos.txt").keys() == set()
    assert build["setuptools"] == tested["setuptools"]


def test_there_is_a_lock_for_each_list() -> None:
    """Of what the files ending in `.in` name, of what setup.py does, and of the Airflows that tests install."""
    lists = {path.stem for path in FOLDER.glob("*.in")}
    assert {path.stem for path in LOCKS} == lists | EXTRAS.keys() | {f"airflow-{release}" for release in LOCKED}


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.in")))
def test_a_lock_has_what_its_list_names(name: str) -> None:
    """In the release that is named there, where one is."""
    locked = entries(FOLDER / f"{name}.txt")
    for line in (FOLDER / f"{name}.in").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            requirement = Requirement(line)
            assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), line
