"""scripts/private_names.py: find private names of libraries that our modules use, outside of the places that may.

Any release of a library may change them. ruff's SLF001 sees `other._name`. It does not see `self._name` of a base
class, a method that replaces a private one, or `getattr(other, "_name")`. This check imports the modules, and compares
what each class uses with what the classes of libraries among its bases have. It exits with 1 if it finds something.
"""

import ast
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

OURS = ("windsock", "server", "auth_backends")
# The one place for aiohttp's private names, with its own check at start.
FENCED = "server.fast"
# Where there is no public way; (module, name) with the reason.
ALLOWED = {
    ("auth_backends.kerberos_auth", "_context"): "pyspnego shows neither the mechanism nor GSSAPI's context",
    ("auth_backends.kerberos_auth", "_last_err"): "gssapi documents where the error of a step stays",
}
# Documented, with a leading underscore only so that they cannot clash with fields: collections.namedtuple.
_DOCUMENTED = {"_asdict", "_field_defaults", "_fields", "_make", "_replace"}
_PRIVATE = re.compile(r"_[a-zA-Z]\w*")
_OF_SELF = re.compile(r"\bself\.(_[a-zA-Z]\w*)")


def main() -> int:
    """Check all modules; print what is found."""
    found = [line for name in modules(OURS) for line in findings(importlib.import_module(name))]
    for line in found:
        print(line)  # noqa: T201 - the report
    return 1 if found else 0


def modules(packages: Iterable[str]) -> Iterator[str]:
    """Yield the names of the modules of `packages` that are no programs and not fenced."""
    for package in packages:
        yield package
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not module.name.endswith("__main__") and not f"{module.name}.".startswith(f"{FENCED}."):
                yield module.name


def findings(module: ModuleType) -> Iterator[str]:
    """Yield a line for each use of a library's private name in `module`."""
    path = Path(module.__file__ or "")
    tree = ast.parse(path.read_text("utf-8"))
    own = {name for node in ast.walk(tree) for name in _defined(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and isinstance(kind := getattr(module, node.name, None), type):
            yield from _reported(module, path, _of_bases(node, kind))
    uses = ((node, name) for node in ast.walk(tree) for name in _used(node) if name not in own)
    yield from _reported(module, path, uses)


def _reported(module: ModuleType, path: Path, uses: Iterable[tuple[ast.AST, str]]) -> Iterator[str]:
    for node, name in uses:
        if (module.__name__, name) not in ALLOWED:
            yield f"{path}:{getattr(node, 'lineno', 1)}: {name} is a private name of a library"


def _of_bases(class_: ast.ClassDef, kind: type) -> Iterator[tuple[ast.AST, str]]:
    """Yield what a class uses or replaces of the private names of libraries' classes among its bases."""
    ours = {*OURS, kind.__module__}
    bases = (base for base in kind.__mro__ if ours.isdisjoint({base.__module__, base.__module__.partition(".")[0]}))
    foreign = set().union(*map(private_names, bases))
    for node in ast.walk(class_):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}:
            yield from ((node, name) for name in {node.attr} & foreign)
        elif node is not class_:
            yield from ((node, name) for name in set(_defined(node)) & foreign)


def private_names(kind: type) -> set[str]:
    """Return the private attributes and methods of a class of a library, those that its source assigns included."""
    names = set(vars(kind)) | set(getattr(kind, "__slots__", ()))
    with suppress(OSError, TypeError):  # Those written in C have no source.
        names |= set(_OF_SELF.findall(inspect.getsource(kind)))
    return {name for name in names if _PRIVATE.fullmatch(name)} - _DOCUMENTED


def _defined(node: ast.AST) -> Iterator[str]:
    """Yield the private names that `node` gives to something: a function, a class, a variable, an attribute of self."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
            yield name
        case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
            yield name


def _used(node: ast.AST) -> Iterator[str]:
    """Yield the private names that `node` takes from something else: an object, a module, an import."""
    names: list[object] = []
    match node:
        case ast.Attribute(attr=name):
            names = [name]
        case ast.Call(func=ast.Name(id="getattr" | "setattr" | "hasattr"), args=[_, ast.Constant(value=name), *_]):
            names = [name]
        case ast.ImportFrom(module=module, names=imported) if (module or "").partition(".")[0] not in OURS:
            names = [one.name for one in imported]
    yield from (
        name for name in names if isinstance(name, str) and _PRIVATE.fullmatch(name) and name not in _DOCUMENTED
    )


if __name__ == "__main__":
    sys.exit(main())
