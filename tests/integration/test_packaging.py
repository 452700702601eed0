import email
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from windsock import __version__

ROOT = Path(__file__).parents[2]
FOLDERS = ("windsock", "server", "auth_backends", "dags", "deploy", "docs", "requirements")
FILES = (
    "setup.py",
    "pyproject.toml",
    "MANIFEST.in",
    "schema.sql",
    "LICENSE",
    *(path.name for path in ROOT.glob("*.md")),
)
_MADE_BY_PYTHON = shutil.ignore_patterns("__pycache__")
pytestmark = pytest.mark.timeout(300)


def files(folder: Path) -> set[str]:
    """What is below it, but for what Python makes itself."""
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(ROOT)) for path in found}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist from a copy of the sources, and the wheel from the sdist, as for an upload."""
    folder = tmp_path_factory.mktemp("dist")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=_MADE_BY_PYTHON)
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    subprocess.run([sys.executable, "-m", "build", "--no-isolation"], cwd=folder, check=True, capture_output=True)
    return folder / "dist"


@pytest.fixture(scope="module")
def wheel(dist: Path) -> zipfile.Path:
    [path] = dist.glob("*.whl")
    return zipfile.Path(path)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.Path) -> Message:
    """What package indexes show."""
    return email.message_from_string((wheel / f"windsock-{__version__}.dist-info" / "METADATA").read_text("utf-8"))


def test_the_schema_ships_as_a_file(wheel: zipfile.Path) -> None:
    """`schema.sql` is a link in the checkout and a file in the wheel."""
    assert (wheel / "server" / "schema.sql").read_text() == (ROOT / "schema.sql").read_text()


def test_every_module_and_data_file_ships(wheel: zipfile.Path) -> None:
    """What is below the packages in the checkout is in the wheel, and nothing else is."""
    shipped = {name for name in wheel.root.namelist() if ".dist-info/" not in name and name[-1] != "/"}
    assert shipped == files(ROOT / "windsock") | files(ROOT / "server") | files(ROOT / "auth_backends")


def test_the_sdist_is_enough_to_install_a_service(dist: Path) -> None:
    """It has the installer, what that installs from, and the documents."""
    with tarfile.open(dist / f"windsock-{__version__}.tar.gz") as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
        links = [member.name for member in sdist.getmembers() if member.issym() or member.islnk()]
    assert set.union(set(FILES), *(files(ROOT / name) for name in FOLDERS)) - names == set()
    assert links == []


def test_its_metadata(metadata: Message) -> None:
    """Version, licence, readme, Pythons and dependencies, each from the one place where it is written."""
    assert metadata["Version"] == __version__
    assert (metadata["License-Expression"], metadata.get_all("License-File")) == ("Apache-2.0", ["LICENSE"])
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == (ROOT / "README.md").read_text("utf-8")
    assert metadata.get_all("Provides-Extra") == ["standalone", "kerberos", "loadtest", "test"]
    classifiers = metadata.get_all("Classifier") or []
    assert [f"Programming Language :: Python :: 3.{minor}" in classifiers for minor in (11, 12, 13)] == [True] * 3
    needed = metadata.get_all("Requires-Dist") or []
    assert any(requirement.startswith("aiohttp<") for requirement in needed)


def test_the_licence_is_whole() -> None:
    """The text as Apache publishes it, with its appendix."""
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert text.lstrip().startswith("Apache License")
    assert "END OF TERMS AND CONDITIONS" in text
    assert "APPENDIX: How to apply the Apache License to your work." in text
