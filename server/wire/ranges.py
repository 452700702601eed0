"""Parts of a representation, as RFC 9110 (section 14) names them."""

import re

from server.errors import RangeNotSatisfiable

_RANGE = re.compile(r"bytes[ \t]*=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.ASCII | re.IGNORECASE)


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Read a `Range` header for something of `size` bytes: where the part begins and where it ends, exclusively.

    None stands for the whole: where no range is given, or several, or what is no range of bytes (14.2 lets a server
    ignore these). Raises RangeNotSatisfiable.
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
