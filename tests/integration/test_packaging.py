import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("setup.py", "pyproject.toml", "schema.sql", "server", "auth_backends")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    """Build the wheel from a copy of the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, symlinks=True)
        else:
            shutil.copy(ROOT / name, folder / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", "dist", "."]
    subprocess.run(command, cwd=folder, check=True)
    [path] = (folder / "dist").iterdir()
    return zipfile.Path(path)


def test_the_schema_ships_as_a_file(wheel: zipfile.Path) -> None:
    """`schema.sql` is a link in the checkout and a file in the wheel."""
    assert (wheel / "server" / "schema.sql").read_text() == (ROOT / "schema.sql").read_text()


def test_every_module_and_data_file_ships(wheel: zipfile.Path) -> None:
    """What is below the packages in the checkout is in the wheel, but for what Python makes itself."""
    wanted = {
        str(path.relative_to(ROOT))
        for package in ("server", "auth_backends")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    shipped = set(wheel.root.namelist())
    assert wanted - shipped == set()
