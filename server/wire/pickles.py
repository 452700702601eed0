"""Pickled columns of Airflow 1.10 and 2.x: written as plain dicts, read without running anything."""

import io
import pickle
import pickletools
from collections.abc import Mapping
from typing import Never

_PROTOCOLS = {1: 4, 2: 5}
# Everything that builds scalars and builtin containers; whatever imports, calls or sets state is left out
_SAFE_NAMES = (
    "PROTO FRAME STOP POP POP_MARK MARK DUP MEMOIZE PUT BINPUT LONG_BINPUT GET BINGET LONG_BINGET "
    "NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT "
    "UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8 STRING BINSTRING SHORT_BINSTRING "
    "BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 "
    "EMPTY_LIST LIST APPEND APPENDS EMPTY_DICT DICT SETITEM SETITEMS EMPTY_SET ADDITEMS FROZENSET"
)
_SAFE_OPS = frozenset(_SAFE_NAMES.split())
_MEMO_OPS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})


_MALFORMED = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    RecursionError,
)


class UnsafePickleError(Exception):
    """The bytes are no pickle, or one that holds more than scalars and builtin containers."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Never:
        message = f"a pickle of {module}.{name}"
        raise UnsafePickleError(message)


def pickle_conf(conf: Mapping[str, object] | None, generation: int) -> bytes | None:
    """Pickle a run's conf for Airflow 1.10 (`generation` 1, no conf is NULL) or 2.x (2, no conf is `{}`).

    The protocol is one that every Python of that Airflow reads: protocol 5 stalls 1.10 on Python 3.7.
    """
    if conf is None and generation == 1:
        return None
    return pickle.dumps(dict(conf or {}), _PROTOCOLS[generation])


def load_conf(data: bytes) -> object:
    """Read a pickle of scalars and builtin containers, executing nothing. Raises UnsafePickleError."""
    try:
        _check(data)
        return _Unpickler(io.BytesIO(data)).load()
    except _MALFORMED as error:
        message = "not a pickle of plain values"
        raise UnsafePickleError(message) from error


def _check(data: bytes) -> None:
    """Refuse what could run code, and memo indices that would make the unpickler claim gigabytes."""
    for op, arg, _ in pickletools.genops(data):
        if op.name not in _SAFE_OPS or (op.name in _MEMO_OPS and not 0 <= int(arg or 0) <= len(data)):
            message = f"a pickle with {op.name}"
            raise UnsafePickleError(message)
