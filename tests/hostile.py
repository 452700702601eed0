"""Values that somebody who can write into the database could leave there, each within what its column admits."""

import json
import pickle
import zlib
from collections.abc import Iterator, Mapping
from typing import Any


def pickled_laughs(depth: int, width: int = 10) -> bytes:
    """Pickle a list of lists that are all one: of some 20 bytes a level, and `width` to the power of `depth` values."""
    out = b"\x80\x04\x8c\x01x\x94"
    for level in range(depth):
        out += b"(" + (b"h" + bytes([level])) * width + b"l\x94"
    return out + b"."


def colliding_pickle(keys: int) -> bytes:
    """Pickle a dict whose keys all have the same hash. By hand: to make it would take as long as to read it."""
    numbers = ((n * (2**61 - 1)).to_bytes(10, "little") for n in range(1, keys + 1))
    return b"\x80\x04}(" + b"".join(b"\x8a\x0a" + number + b"N" for number in numbers) + b"u."


def nested_keys_pickle(depth: int) -> bytes:
    """Pickle a dict whose key is a tuple in a tuple in a tuple, so that its hash is a deep recursion."""
    return b"\x80\x04}" + b")" + b"\x85" * depth + b"Ns."


TEXTS = (
    "", '"x', '"\\ud800"', '"a\\u0000b"', '"a\\"', "[1", "null", "\\x4142", "\\xzz", "%s{0}\n'", "\x01\x7f\u2028",
    "9" * 40, "../../etc/passwd", "0 0 30 2 *", "x" * 240, "x" * 100_000,
)  # fmt: skip
NUMBERS = (0, -1, 1, 2**15 - 1, -(2**15), 2**31 - 1, -(2**31), 2**63 - 1, -(2**63))
FLOATS = ("NaN", "Infinity", "-Infinity", "1e308", "-5e-324")
DATES = (
    "infinity",
    "-infinity",
    "4713-01-01 00:00+00 BC",
    "0001-01-01 00:00+00",
    "294276-12-31 23:59+00",
    "9999-12-31",
)
JSONS = (
    "null",
    "1",
    '"x"',
    "[]",
    "{}",
    "[[]]",
    '{"dag": 1}',
    '{"dag": {}}',
    '"\\ud800"',
    "1e999",
    "1" * 5000,
    "[" * 2000 + "]" * 2000,
)
PICKLES = (
    b"", b"junk", b"\x80", b"K\x01K\x02a.", b"K\x01(K\x02\x90.", pickled_laughs(7), colliding_pickle(3000),
    nested_keys_pickle(50_000),
    pickle.dumps("\ud800"),
    pickle.dumps(10**5000), b"\x80\x04" + b"]" * 3000 + b"a" * 2999 + b".", b"\x80\x04]\x94h\x00a.",
    b"\x80\x04\x8a\xff" + b"\xff" * 255 + b".", zlib.compress(b" " * 2**26), zlib.compress(b'{"dag": {"tasks": 5}}'),
    zlib.compress(b"x")[:-3],
)  # fmt: skip
VALUES: Mapping[str, tuple[Any, ...]] = {
    "text": TEXTS, "varchar": TEXTS, "int2": NUMBERS, "int4": NUMBERS, "int8": NUMBERS, "float8": FLOATS,
    "bool": (True, False), "timestamptz": DATES, "json": JSONS, "jsonb": JSONS, "bytea": PICKLES,
}  # fmt: skip

_ODD: tuple[Any, ...] = (
    None, True, -1, 10**30, 1e308, "", "x", [], [[]], ["x", 1, None], {}, {"__type": 1, "__var": 1},
    {"__type": "datetime", "__var": 1e300}, {"__type": "timedelta", "__var": "x"},
    {"__type": "set", "__var": [{}, [[]]]}, {"__type": "tuple", "__var": 5}, {"__class": 1}, "0 0 30 2 *",
)  # fmt: skip


def odd_documents(document: Any) -> Iterator[Any]:  # noqa: ANN401 - any JSON
    """Every document that has something odd in one place of this one, or lacks that place."""
    if isinstance(document, dict | list):
        for key in list(document) if isinstance(document, dict) else range(len(document)):
            for changed in odd_documents(document[key]):
                yield {**document, key: changed} if isinstance(document, dict) else [
                    *document[:key], changed, *document[key + 1 :],
                ]  # fmt: skip
            copy: Any = json.loads(json.dumps(document))
            del copy[key]
            yield copy
    yield from _ODD
