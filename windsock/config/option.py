"""Declares fields of `Config`."""

import dataclasses
from collections.abc import Callable
from typing import TypeVar, cast

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Option:
    """How a field is set: `keys` are pairs (section, key); the first one wins among Airflow's, and among our own."""

    keys: tuple[tuple[str, str], ...]
    default: str
    doc: str
    read: Callable[[str], object]
    remark: Callable[[str], str | None] | None
    sensitive: bool


def option(
    read: Callable[[str], T],
    default: str,
    keys: str,
    doc: str,
    *,
    remark: Callable[[str], str | None] | None = None,
    sensitive: bool = False,
) -> T:
    """Declare a field of `Config`.

    `read` turns a text into the value, `default` is such a text, `keys` are `section.key` separated by blanks, `remark`
    may return a warning about a text. The value of a `sensitive` option is never shown, and `<key>_cmd` may print it.
    """
    pairs = tuple((section, key) for section, _, key in (name.partition(".") for name in keys.split()))
    entry = Option(pairs, default, doc, read, remark, sensitive)
    # The type checker sees the type of the value, as with dataclasses' own field().
    return cast("T", dataclasses.field(metadata={"option": entry}, repr=not sensitive))
