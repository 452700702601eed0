"""The steps of a section of CONTRIBUTING.md, applied to a copy of this checkout.

The sentence above a block says where it goes: to the end (or the beginning) of a file, or of a class, list or tuple in
a file.
"""

import ast
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import indent
from typing import NamedTuple

from tests.documents.blocks import ROOT, blocks

PAGE = "CONTRIBUTING.md"
_COPIED = ("windsock", "server", "auth_backends", "scripts", "tests", "deploy", "docs", "bench", "schema.sql",
           "setup.py", "pyproject.toml", "README.md", PAGE)  # fmt: skip
_PLACE = re.compile(r"\b(end|beginning) of (?:`(\w+)` in )?(`[\w./]+`(?: and in `[\w./]+`)*)")
_PATHS = re.compile(r"`([\w./]+)`")


class Step(NamedTuple):
    """A block, and where it goes: the files, the name in them (None: the file itself), and which end of it."""

    text: str
    files: Sequence[str]
    name: str | None
    end: bool


def steps(heading: str) -> Iterator[Step]:
    """Return the steps of a section, in their order; blocks that are to be typed are no steps."""
    lines = (ROOT / PAGE).read_text("utf-8").splitlines()
    for block in blocks(PAGE):
        if block.heading == heading and block.language != "sh":
            said = " ".join(line.strip() for line in _paragraph(lines[: block.line - 1]))
            found = _PLACE.search(said)
            assert found, f"{block.place}: the sentence above it does not say where it goes: {said}"
            yield Step(block.text, _PATHS.findall(found[3]), found[2], found[1] == "end")


def _paragraph(lines: list[str]) -> list[str]:
    """Return the last paragraph of the lines."""
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    start = max((number for number, line in enumerate(lines) if not line.strip()), default=-1)
    return lines[start + 1 :]


def copy_checkout(folder: Path) -> None:
    """Copy what the tests need."""
    for name in _COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, folder / name)


def apply(step: Step, folder: Path) -> None:
    """Write the step's block into its files below the folder."""
    for name in step.files:
        path = folder / name
        path.write_text(_with(path.read_text("utf-8"), step, path.suffix), "utf-8")


def _with(text: str, step: Step, suffix: str) -> str:
    if step.name is None:
        gap = "\n\n\n" if suffix == ".py" else "\n\n"
        return f"{text.rstrip()}{gap}{step.text}"
    lines, block = text.splitlines(), indent(step.text.rstrip(), "    ")
    if suffix == ".json":
        place, block = lines.index(f'  "{step.name}": {{') + 1, f"{block},"
    else:
        place, gap = _place(text, step)
        block = gap + block
    return "\n".join([*lines[:place], block, *lines[place:], ""])


def _place(text: str, step: Step) -> tuple[int, str]:
    """Return how many lines come before the block, in the class, list or tuple of that name, and what separates it."""
    for node in ast.parse(text).body:
        match node:
            case ast.ClassDef(name=name, end_lineno=int(last)) if name == step.name:
                return last, "\n"
            case (
                ast.Assign(targets=[ast.Name(id=name)], lineno=first, end_lineno=int(last))
                | ast.AnnAssign(target=ast.Name(id=name), lineno=first, end_lineno=int(last))
            ) if name == step.name:
                return (last - 1 if step.end else first), ""
    raise AssertionError(f"there is no {step.name} in {step.files}")
