"""What a task leaves for others, checked before it is believed: it may write anything in place of its result."""

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LARGEST = 2**20
"""Bytes of what one try leaves, as JSON."""
_MOST = 1000
_DEEPEST = 100
_LONGEST_KEY = 512
_LONGEST_MESSAGE = 10_000
_OUTCOMES = frozenset({"success", "skipped", "failed", "failed_for_good"})
_FILE = "result"


class ResultError(Exception):
    """It is no result, for the reason that the message gives."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the process of a function says of it: how it ended and why, and values by key."""

    outcome: str
    message: str
    xcoms: Mapping[str, Any]


class ResultFolder:
    """The folder in which a process leaves its result. What is done to its name does not matter any more."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self.file = path / _FILE
        self._folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._folder)

    def read(self) -> Result | None:
        """The result, None where there is none. Raises ResultError."""
        try:
            # A FIFO would be waited for, a device may do anything once it is open.
            file = os.open(_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ResultError(f"the file of the result cannot be read: {error.strerror}") from error
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise ResultError("the file of the result is no regular file")
            # Of a regular file a read is short at its end alone.
            data = os.read(file, LARGEST + 1)
        finally:
            os.close(file)
        if len(data) > LARGEST:
            raise ResultError(f"what the function leaves for other tasks is over {LARGEST} bytes")
        return _result(data)


def _result(data: bytes) -> Result:
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ResultError(f"the result is no JSON that can be read: {error}") from error
    match fields:
        case {"outcome": str(outcome), "xcoms": dict(xcoms), **rest} if outcome in _OUTCOMES:
            return Result(outcome, str(rest.get("message", ""))[:_LONGEST_MESSAGE], xcoms)
    raise ResultError("what was left in place of the result is none")


def encode(values: Mapping[str, Any]) -> dict[str, bytes]:
    """Values as they are kept for other tasks. Raises ResultError for what the database, or who reads it, could not."""
    if len(values) > _MOST:
        raise ResultError(f"it leaves over {_MOST} values for other tasks")
    return {_check_key(key): _encode(key, value) for key, value in values.items()}


def _check_key(key: str) -> str:
    if not 0 < len(key) <= _LONGEST_KEY or not key.isprintable():
        raise ResultError(f"a key is printable text of at most {_LONGEST_KEY} characters: {key!r:.100}")
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
