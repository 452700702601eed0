"""Pickled columns of Airflow 1.10 and 2.x: written as plain dicts, read without executing anything.

Although nothing is executed, a short pickle can unpack to much: what it uses twice is there twice, ten times over. And
keys may be chosen so that each is compared with all others. So limits apply to what a pickle unpacks to, and a pickle
that is not certainly cheap is read in a process that can be killed.
"""

import io
import itertools
import pickle
import pickletools
from collections.abc import Iterator
from typing import Never

# Everything that builds scalars and builtin containers; operations that import, call or set state are left out
_SAFE_NAMES = (
    "PROTO FRAME STOP POP POP_MARK MARK DUP MEMOIZE PUT BINPUT LONG_BINPUT GET BINGET LONG_BINGET "
    "NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT "
    "UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8 STRING BINSTRING SHORT_BINSTRING "
    "BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 "
    "EMPTY_LIST LIST APPEND APPENDS EMPTY_DICT DICT SETITEM SETITEMS EMPTY_SET ADDITEMS FROZENSET"
)
_SAFE_OPS = frozenset(_SAFE_NAMES.split())
_MEMO_OPS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_REUSING_OPS = frozenset({"DUP", "GET", "BINGET", "LONG_BINGET"})
_HASHABLE_OPS = frozenset({"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET"})

CHEAP_SIZE = 2048
"""Up to this many bytes, a pickle that uses nothing twice takes at most a few milliseconds."""
_MAX_VALUES = 2**20
_MAX_CHARACTERS = 2**24
_MAX_SHOWN = 2**18
_MAX_DEPTH = 100
_MAX_BITS = 14_000
"""As many bits as 4,300 digits have, which is the longest number that Python writes."""
_HASHES = 2**61 - 1
_MAX_COLLIDING = 4096
"""Numbers this large can, as keys, all have the same hash; this many take a quarter of a second."""

_MALFORMED = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    # Of a value that is no list or set, and is to be added to.
    AttributeError,
    LookupError,
    OverflowError,
    RecursionError,
)


class UnsafePickleError(Exception):
    """The bytes are not a pickle, or one with more than scalars and builtin containers."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Never:
        message = f"a pickle of {module}.{name}"
        raise UnsafePickleError(message)


def pickle_conf(conf: object, protocol: int) -> bytes:
    """Pickle a run's conf with a protocol that every Python of the Airflow can read."""
    return pickle.dumps(conf, protocol)


def load_conf(data: bytes, most_values: int = _MAX_VALUES) -> object:
    """Read a pickle of scalars and builtin containers, executing nothing. Raises UnsafePickleError.

    It also refuses a pickle with more than `most_values` (1,048,576) values or 16,777,216 characters (counted as often
    as they are used), with more than 100 levels, or with a number of more than 4,300 digits.
    """
    try:
        _check(data)
        value = _Unpickler(io.BytesIO(data)).load()
    except _MALFORMED as error:
        message = "not a pickle of plain values"
        raise UnsafePickleError(message) from error
    _measure(value, most_values)
    return value


def show_pickle(data: bytes) -> str:
    """Return what Python's `str` shows for a pickled value, or in brackets why it is not read."""
    try:
        # The text of each value has at least two characters.
        text = str(load_conf(data, _MAX_SHOWN // 2))
    except UnsafePickleError as error:
        return f"({error})"
    # In a container, texts are shown with escapes; a text that JSON could not contain is escaped here.
    return text.encode(errors="backslashreplace").decode() if len(text) <= _MAX_SHOWN else "(a pickle of too much)"


def is_cheap(data: bytes) -> bool:
    """Whether `load_conf` certainly takes at most a few milliseconds."""
    if len(data) > CHEAP_SIZE:
        return False
    return not any(op.name in _REUSING_OPS for op, _ in _operations(data))


def is_linear(data: bytes) -> bool:
    """Whether the time of `load_conf` is certainly proportional to the length, as for everything that was JSON once.

    Hashing containers, or many large numbers, may take any time.
    """
    colliding = 0
    for op, arg in _operations(data):
        colliding += isinstance(arg, int | float) and abs(arg) >= _HASHES
        if op.name in _HASHABLE_OPS or colliding > _MAX_COLLIDING:
            return False
    return True


def _operations(data: bytes) -> Iterator[tuple[pickletools.OpcodeInfo, object]]:
    """Yield the operations up to the first that cannot be read; the error about that one comes later."""
    try:
        for op, arg, _ in pickletools.genops(data):
            yield op, arg
    except _MALFORMED:
        return


def _check(data: bytes) -> None:
    """Refuse operations that could run code, and memo indices that would make the unpickler allocate gigabytes."""
    for op, arg, _ in pickletools.genops(data):
        if op.name not in _SAFE_OPS or (op.name in _MEMO_OPS and not 0 <= int(arg or 0) <= len(data)):
            message = f"a pickle with {op.name}"
            raise UnsafePickleError(message)


def _measure(value: object, most_values: int) -> None:
    """Refuse what is too large, too deep or too long to be worked with or shown."""
    values = characters = 0
    levels = [iter((value,))]
    while levels:
        for item in levels[-1]:
            values += 1
            characters += _size(item)
            if values > most_values or characters > _MAX_CHARACTERS:
                message = "a pickle of too much"
                raise UnsafePickleError(message)
            if inner := _inside(item):
                levels.append(inner)
                break
        else:
            levels.pop()
        if len(levels) > _MAX_DEPTH + 1:
            message = f"a pickle nested deeper than {_MAX_DEPTH}"
            raise UnsafePickleError(message)


def _inside(item: object) -> Iterator[object] | None:
    match item:
        case dict():
            return itertools.chain(item.keys(), item.values())
        case list() | tuple() | set() | frozenset():
            return iter(item)
    return None


def _size(item: object) -> int:
    """Return roughly how many characters it has, without what is in it."""
    match item:
        case str() | bytes() | bytearray():
            return len(item)
        case int():
            if item.bit_length() > _MAX_BITS:
                message = "a pickle with a number of more than 4,300 digits"
                raise UnsafePickleError(message)
            return item.bit_length() // 3
    return 0
