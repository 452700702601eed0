"""Reads JSON from clients: refuses what Postgres or another program could not handle, with helpful messages."""

import json
import math
import re
from collections.abc import Iterator

import msgspec

from server.errors import BadRequest

MAX_DEPTH = 100
_BOM = b"\xef\xbb\xbf"
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_SHOWN = 50
_decode = msgspec.json.Decoder().decode


class UnstorableError(BadRequest):
    """JSON whose `value` was read but cannot be stored. The message names a key of it, perhaps of the conf."""

    logged = "the body or the `conf` in it holds what cannot be stored"

    def __init__(self, message: str, value: object) -> None:
        super().__init__(message)
        self.value = value


def parse_json(body: bytes, what: str = "The request body", wanted: str = "a JSON object") -> object:
    """Read strict JSON; a UTF-8 byte order mark is skipped, and the last of several equal keys wins.

    Raises BadRequest for anything else. If it can be read but not stored (NUL, numbers that are not finite, more than
    100 levels) the error is an UnstorableError. `what` begins the message; that for
    an empty body says what is `wanted`.
    """
    body = body.removeprefix(_BOM)
    try:
        value = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if not body.strip():
            raise BadRequest(f"{what} is empty; {wanted} is needed") from error
        _refuse_not_finite(body, what)
        raise BadRequest(f"{what} {_why_not_json(body)}") from error
    except RecursionError as error:
        raise _too_deep(what) from error
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and is_deep(value):
        raise UnstorableError(_too_deep(what).message, value)
    # The pattern takes ten times as long, and almost no body needs it.
    if body.find(rb"\u0000") >= 0 and _NUL.search(body):
        raise UnstorableError(f"{what} holds a NUL character, which cannot be stored", value)
    return value


def _refuse_not_finite(body: bytes, what: str) -> None:
    """Raise UnstorableError for NaN and the infinities, which are not JSON; Python's json and others write them."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return
    path, number = next(_not_finite(value), (None, 0.0))
    if path is not None:
        name = "".join(path).removeprefix(".")[:_SHOWN] or what
        shown = json.dumps(number)
        raise UnstorableError(f"{what} holds {shown}, which is not valid JSON, at `{name}`; null would be", value)


def _not_finite(value: object) -> Iterator[tuple[tuple[str, ...], float]]:
    """Find the numbers that are not finite, each with the keys that lead to it."""
    waiting: list[tuple[tuple[str, ...], object]] = [((), value)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, float) and not math.isfinite(node):
            yield path, node
        elif isinstance(node, dict) and len(path) < MAX_DEPTH:
            waiting += [((*path, f".{key}"), child) for key, child in node.items()]
        elif isinstance(node, list) and len(path) < MAX_DEPTH:
            waiting += [((*path, f"[{index}]"), child) for index, child in enumerate(node)]


def _why_not_json(body: bytes) -> str:
    """Say why msgspec refused a body. Its errors contain only words, which change with its releases.

    The standard library's errors give the position. It accepts some input that strict JSON forbids.
    """
    try:
        json.loads(body.decode())
    except UnicodeDecodeError:
        return "is not UTF-8 text"
    except json.JSONDecodeError as error:
        return f"is not valid JSON: see line {error.lineno}, column {error.colno}"
    except (ValueError, RecursionError):
        pass
    return "is not valid JSON: it holds a number that is too large or none at all, or half of a surrogate pair"


def is_deep(value: object) -> bool:
    """Whether JSON has more than 100 levels; Python's own limit differs between its releases."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node) if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _children(node: object) -> list[object]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def _too_deep(what: str) -> BadRequest:
    return BadRequest(f"{what} is nested too deeply; {MAX_DEPTH} levels are the limit")


def kind_of(value: object) -> str:
    """Return the name of a value's JSON type, with its article."""
    kinds = {bool: "a boolean", str: "a string", list: "a list", dict: "an object", type(None): "null"}
    return kinds.get(type(value), "a number")
