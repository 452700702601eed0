"""The results that a task leaves for others, checked before use: the task may write anything in place of a result."""

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LARGEST = 2**20
"""The most bytes that one try may leave, as JSON."""
_MOST = 1000
_DEEPEST = 100
_LONGEST_KEY = 512
_LONGEST_MESSAGE = 10_000
_OUTCOMES = frozenset({"success", "skipped", "failed", "failed_for_good"})
_FILE = "result"


class ResultError(Exception):
    """It is not a valid result; the message gives the reason."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the process of a function reports: how it ended and why, and values by key."""

    outcome: str
    message: str
    xcoms: Mapping[str, Any]


class ResultFolder:
    """The folder for a process's result, held open: renaming or replacing it has no effect."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self.file = path / _FILE
        self._folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)

    def close(self) -> None:
        """Close the folder."""
        os.close(self._folder)

    def read(self) -> Result | None:
        """Return the result, None if there is none. Raises ResultError."""
        try:
            # Opening a FIFO would block, and a device may do anything once it is open.
            file = os.open(_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ResultError(f"the file of the result cannot be read: {error.strerror}") from error
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise ResultError("the file of the result is not a regular file")
            # A read from a regular file is short only at its end.
            data = os.read(file, LARGEST + 1)
        finally:
            os.close(file)
        if len(data) > LARGEST:
            raise ResultError(f"the function's result is over {LARGEST} bytes")
        return _result(data)


def _result(data: bytes) -> Result:
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ResultError(f"the result cannot be read as JSON: {error}") from error
    match fields:
        case {"outcome": str(outcome), "xcoms": dict(xcoms), **rest} if outcome in _OUTCOMES:
            return Result(outcome, str(rest.get("message", ""))[:_LONGEST_MESSAGE], xcoms)
    raise ResultError("the file of the result has something else in it")


def encode(values: Mapping[str, Any]) -> dict[str, bytes]:
    """Encode values for other tasks. Raises ResultError for what the database, or its readers, could not handle."""
    if len(values) > _MOST:
        raise ResultError(f"it has over {_MOST} values for other tasks")
    return {_check_key(key): _encode(key, value) for key, value in values.items()}


def _check_key(key: str) -> str:
    if not 0 < len(key) <= _LONGEST_KEY or not key.isprintable():
        raise ResultError(f"a key must be printable text of at most {_LONGEST_KEY} characters: {key!r:.100}")
    return key


def _encode(key: str, value: object) -> bytes:
    if _is_too_deep(value):
        raise ResultError(f"the value of {key!r:.100} is nested deeper than {_DEEPEST} levels")
    try:
        return json.dumps(value).encode()
    except (TypeError, ValueError) as error:
        raise ResultError(f"the value of {key!r:.100} cannot be kept as JSON: {error}") from error


def _is_too_deep(value: object) -> bool:
    level: list[object] = [value]
    for _ in range(_DEEPEST + 1):
        level = [child for each in level for child in _children(each)]
        if not level:
            return False
    return True


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
