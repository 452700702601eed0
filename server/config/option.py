"""How a field of `Config` is declared."""

import dataclasses
from collections.abc import Callable
from typing import TypeVar, cast

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Option:
    """How one field is set: `keys` are (section, key), the first wins within Airflow's and within ours."""

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

    `read` makes the value out of a text, `default` is such a text, `keys` are `section.key` divided by
    blanks, `remark` may have a warning for a text. What is `sensitive` is never shown,
    and `<key>_cmd` may print it.
    """
    pairs = tuple((section, key) for section, _, key in (name.partition(".") for name in keys.split()))
    entry = Option(pairs, default, doc, read, remark, sensitive)
    # The type checker is told the type of the value, as dataclasses' own field() does.
    return cast("T", dataclasses.field(metadata={"option": entry}, repr=not sensitive))
