"""The check of `make lint` for private names of libraries: what it finds, and what it leaves alone."""

import sys
from importlib import import_module
from pathlib import Path

import pytest

from scripts.private_names import findings

GOOD = {
    "its own": "class A:\n    def __init__(self):\n        self._x = 1\n    def y(self):\n        return self._x\n",
    "of its own base": "class A:\n    _x = 1\nclass B(A):\n    def y(self):\n        return self._x\n",
    "documented": "from typing import NamedTuple\nclass A(NamedTuple):\n    x: int\nA(1)._replace(x=2)\n",
    "magic": "class A(dict):\n    def __missing__(self, key):\n        return key.__class__\n",
    "by keyword": "from types import SimpleNamespace\nprint(SimpleNamespace(_x=1)._x)\n",
}
BAD = {
    "of another object": ("import asyncio\nprint(asyncio.Queue()._queue)\n", 2),
    "of a base": ("import asyncio\nclass A(asyncio.Queue):\n    def y(self):\n        return self._queue\n", 4),
    "replaced": ("import asyncio\nclass A(asyncio.Queue):\n    def _put(self, item):\n        pass\n", 3),
    "set in the class": ("from aiohttp import payload\nclass A(payload.Payload):\n    _autoclose = True\n", 3),
    "set in a method": ("import asyncio\nclass A(asyncio.Queue):\n    def y(self):\n        self._queue = 1\n", 4),
    "by its text": ("import asyncio\nprint(getattr(asyncio.Queue(), '_queue'))\n", 2),
    "imported": ("from collections import _tuplegetter\n", 1),
}


def found(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the check says of a module with this code."""
    (folder / "sample_of_names.py").write_text(code)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "sample_of_names", raising=False)
    return list(findings(import_module("sample_of_names")))


@pytest.mark.parametrize("code", GOOD.values(), ids=GOOD.keys())
def test_own_names_are_left_alone(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A leading underscore is our own business in our own classes."""
    assert found(code, tmp_path, monkeypatch) == []


@pytest.mark.parametrize(("code", "line"), BAD.values(), ids=BAD.keys())
def test_names_of_libraries_are_found(code: str, line: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that ruff's SLF001 does not see too."""
    lines = found(code, tmp_path, monkeypatch)
    assert lines
    assert {int(each.split(":")[1]) for each in lines} == {line}
