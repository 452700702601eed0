"""Reads ranges of a representation (RFC 9110, section 14)."""

import re

from server.errors import RangeNotSatisfiable

_RANGE = re.compile(r"bytes[ \t]*=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.ASCII | re.IGNORECASE)


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Read a `Range` header for something of `size` bytes; return where the part begins and where it ends, exclusively.

    None means the whole: there is no range, there are several, or it is not a range of bytes (14.2 lets a server ignore
    these). Raises RangeNotSatisfiable.
    """
    match = _RANGE.fullmatch(header) if header else None
    if match is None:
        return None
    first, last = match.groups()
    if not first and not last:
        return None
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return None
    if start >= end:
        raise RangeNotSatisfiable(f"Expected a range of the {size} bytes that there are", size)
    return start, end
