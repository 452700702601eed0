"""The `conf` of a run as JSON, from a column that anybody may have written."""

import json

import msgspec

from server.wire.pickles import UnsafePickleError, load_conf

MAX_CONF = 2**22
"""The longest conf that is read, and the longest JSON that is made of one, in bytes."""
_NULL = msgspec.Raw(b"null")
_TOO_MUCH = "it is too large"
_NO_JSON = "it has values that JSON does not have"


class ConfAsJson(msgspec.Struct, array_like=True):
    """Compact JSON with sorted keys, in ASCII; or null, and why there is none."""

    json: msgspec.Raw = _NULL
    error: str | None = None


def conf_of_pickle(data: bytes) -> ConfAsJson:
    """Read a pickle of plain values, executing nothing; for how long see `pickles.load_conf`."""
    try:
        return _written(load_conf(data))
    except UnsafePickleError as error:
        return ConfAsJson(error=str(error))


def conf_of_json(data: bytes) -> ConfAsJson:
    """Read JSON; whole numbers of any length stay exact."""
    try:
        return _written(json.loads(data))
    except (ValueError, RecursionError):
        return ConfAsJson(error=_NO_JSON)


def unread_conf() -> ConfAsJson:
    """Return what is said of a conf that is too large to be read."""
    return ConfAsJson(error=_TOO_MUCH)


def _written(value: object) -> ConfAsJson:
    """Write the value as Python does, because msgspec has no whole numbers of more than 64 bits."""
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return ConfAsJson(error=_NO_JSON)
    if len(text) > MAX_CONF:
        return unread_conf()
    # DEL is the only character that Python does not escape and JSON answers do.
    return ConfAsJson(msgspec.Raw(text.replace("\x7f", "\\u007f").encode()))
