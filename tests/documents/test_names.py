"""What the pages for developers name exists: files, folders, modules, classes, functions, statements, rooms."""

import ast
import re
import tomllib
from collections.abc import Iterator

import pytest

from tests.documents.blocks import PAGES, ROOT, blocks
from tests.documents.names import defined, exists

OURS = ("windsock", "server", "auth_backends")
FOR_DEVELOPERS = ("docs/architecture.md", "CONTRIBUTING.md")
OTHERS = sorted({*PAGES, "SECURITY.md", "THREAT_MODEL.md"} - {*FOR_DEVELOPERS})
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
# Names of other people's programs, and words of the pages.
OUTSIDE = {"AppKey", "RequestKey", "sudo", "git", "make", "npm", "pyenv", "ruff", "mypy", "import_error",
           "job", "retries", "try", "PATH", "NOTIFY", "REQUESTS", "airflow.cfg", "server.py", "innerHTML"}  # fmt: skip
_FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_QUOTED = re.compile(r"`([^`\n]+)`")
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*(?=\(|$)")
_PATH = re.compile(r"[\w.*-]*/[\w./*-]*|[\w-]+\.(?:py|sql|sh|md|toml|json|txt|yml)")
_OURS = re.compile(r"\b(?:server|auth_backends|windsock(?=\.(?:client|config|commands)))(?:\.\w+)+")


def quoted(page: str) -> Iterator[str]:
    """What is in backticks in a page, without its blocks."""
    yield from _QUOTED.findall(_FENCED.sub("", (ROOT / page).read_text("utf-8")))


@pytest.mark.parametrize("page", FOR_DEVELOPERS)
def test_paths_exist(page: str) -> None:
    """As they stand, or in a folder that the same section has named before: `docs/`, then `cli.md`."""
    missing = []
    for section in re.split(r"^## ", _FENCED.sub("", (ROOT / page).read_text("utf-8")), flags=re.MULTILINE):
        named = [text for text in _QUOTED.findall(section) if _PATH.fullmatch(text)]
        beside = [ROOT / name for name in named if (ROOT / name).is_dir()]
        beside += [(ROOT / name).parent for name in named if (ROOT / name).is_file()]
        missing += [name for name in named if not exists(name, beside)]
    assert missing == []


@pytest.mark.parametrize("page", FOR_DEVELOPERS)
def test_names_exist(page: str) -> None:
    """Modules, classes, methods, functions, constants, statements."""
    names = [found[0] for text in quoted(page) if not _PATH.fullmatch(text) and (found := _NAME.match(text))]
    assert sorted({name for name in names if name not in defined()} - OUTSIDE) == []


@pytest.mark.parametrize("page", OTHERS)
def test_names_of_ours_exist(page: str) -> None:
    """In the pages for everybody else: dotted names and paths, in the blocks too."""
    text = (ROOT / page).read_text("utf-8")
    paths = re.findall(r"(?<![\w/.])(?:server|auth_backends|deploy|tests|docs)/[\w./-]*\w", text)
    assert [name for name in _OURS.findall(text) if name not in defined()] == []
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_floors_are_those_that_are_checked() -> None:
    """The picture of the rooms has the layers of import-linter's contract, from the top to the bottom."""
    rooms = next(block.text for block in blocks("docs/architecture.md") if block.language == "text")
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    assert [line.split() for line in rooms.splitlines()] == [
        [room.strip(" ()") for room in layer.split("|")] for layer in layers
    ]


def test_every_room_is_described() -> None:
    """The table has each folder and module of `server/` that holds code."""
    entries = [path for path in (ROOT / "server").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    names = {f"server/{path.name}{'/' if path.is_dir() else ''}" for path in entries} - {"server/__init__.py"}
    described = {
        name for cell in re.findall(r"^\| (`[^|]+) \|", ARCHITECTURE, re.MULTILINE) for name in _QUOTED.findall(cell)
    }
    assert sorted(names - described) == []


def test_it_is_short() -> None:
    """A page that a newcomer reads to its end."""
    assert len(ARCHITECTURE.splitlines()) <= 150


def packages() -> list[str]:
    """Each folder of modules."""
    return sorted(str(path.parent.relative_to(ROOT)) for name in OURS for path in (ROOT / name).rglob("__init__.py"))


@pytest.mark.parametrize("package", packages())
def test_the_lists_of_packages_are_of_their_modules(package: str) -> None:
    """What a package's docstring lists (- `name`: ...) is in its folder."""
    folder = ROOT / package
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8"))) or ""
    named = [name for line in re.findall(r"^- (.+?):", text, re.MULTILINE) for name in _QUOTED.findall(line)]
    assert [name for name in named if not exists(name, [folder]) and not exists(f"{name}.py", [folder])] == []
