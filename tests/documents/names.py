"""What the code has: files, modules, classes, functions, constants and statements, for the names in the documents."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from tests.documents.blocks import ROOT

PACKAGES = ("windsock", "server", "auth_backends", "scripts")
_STATEMENT = re.compile(r"^-- (?:name|fragment): (\w+)", re.MULTILINE)


@cache
def defined() -> frozenset[str]:
    """Return every name that the code defines, alone and with its module or class: `x`, `Class.x`, `module.x`."""
    names = set[str]()
    for path in (file for package in PACKAGES for file in (ROOT / package).rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        names |= {module, *(f"{module}.{name}" for name in _members(path))}
    names |= {".".join(name.split(".")[-parts:]) for name in names for parts in (1, 2)}
    for path in (ROOT / "server").rglob("*.sql"):
        names |= set(_STATEMENT.findall(path.read_text("utf-8")))
    return frozenset(names)


def _members(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text("utf-8")).body:
        yield from _named(node)
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                yield from (f"{node.name}.{name}" for name in _named(inner))


def _named(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Assign(targets=targets):
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.ImportFrom(names=names):
            yield from (alias.asname or alias.name for alias in names)


def exists(path: str, beside: Iterable[Path] = ()) -> bool:
    """Whether there is such a file or folder in the checkout, or in one of the folders."""
    return any(next(folder.glob(path), None) is not None for folder in (ROOT, *beside))
