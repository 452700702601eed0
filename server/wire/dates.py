"""Execution dates as Airflow 1.10 read them: ISO 8601 first, then most of what people write.

Texts that Airflow read as some unrelated moment (intervals, zone names, digits of other lengths,
a time overridden by a lost offset) are refused rather than guessed.
"""

import re
from datetime import UTC, datetime, timezone, tzinfo

import pendulum

from server.errors import BadRequest

_MAX_LENGTH = 64
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d"
    r"(?:[Tt ](?:[01]\d|2[0-3]):\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:[Zz]|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
_LOST_PLUS = re.compile(r"(:\d\d(?:[.,]\d+)?) +(\d\d:\d\d)$", re.ASCII)
_WORD = re.compile(r"[a-z]+")
_WORDS = (
    "jan january feb february mar march apr april may jun june jul july aug august sep sept september "
    "oct october nov november dec december mon monday tue tues tuesday wed wednesday thu thur thurs thursday "
    "fri friday sat saturday sun sunday am pm st nd rd th t w z utc gmt"
)
_KNOWN_WORDS = frozenset(_WORDS.split())
# Read differently by different readers: Z+01:00 and GMT+3, a time alone with an offset, and a bare number
# that is neither a year, nor 2020041, nor 20200210
_AMBIGUOUS = re.compile(
    r"[a-su-z]\s*[+-]\d|^\s*t?\d{1,2}:.*[+-]\d|^\s*(?:\d{1,3}|\d{5,6}|\d{9,})\s*$",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
# asyncpg sends Python's first and last microsecond as -infinity and infinity, which Airflow cannot read
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


def parse_execution_date(
    text: object,
    default_timezone: tzinfo,
    *,
    now: datetime | None = None,
    name: str = "execution_date",
) -> datetime:
    """Read a date; it keeps the offset it was given, or has that of `default_timezone`.

    `now` (aware; the clock by default) is what the word "now" and a time without a date refer to.
    `name` is what the message calls a value that is not text at all.
    Raises BadRequest for everything that is not an instant in the years 1 to 9999, UTC.
    """
    if not isinstance(text, str):
        message = f"`{name}` must be a string such as 2015-11-16T14:34:15+00:00"
        raise BadRequest(message)
    try:
        date = _read(text, default_timezone, now or datetime.now(default_timezone))
        if not _FIRST < date.astimezone(UTC) < _LAST:
            raise _refusal(text)
    except (ValueError, OverflowError, TypeError, AttributeError, ArithmeticError, LookupError) as error:
        raise _refusal(text) from error
    return date


def restore_plus(text: str) -> str:
    """Put back the `+` before an offset that a query string had turned into a space."""
    return _LOST_PLUS.sub(r"\1+\2", text)


def _read(text: str, default_timezone: tzinfo, now: datetime) -> datetime:
    """Read by the documented shape where it matches, else as a person would. Raises ValueError and others."""
    if _ISO.fullmatch(text):
        date = datetime.fromisoformat(text.upper())
        return date if date.tzinfo else _localize(date, default_timezone)
    if text == "now":
        return _fixed(now.astimezone(default_timezone))
    return _read_leniently(text, default_timezone, now)


def _read_leniently(text: str, default_timezone: tzinfo, now: datetime) -> datetime:
    if len(text) > _MAX_LENGTH or not text.isascii() or "\0" in text or _AMBIGUOUS.search(text):
        raise ValueError(text)
    if not _KNOWN_WORDS.issuperset(_WORD.findall(text.lower())):
        raise ValueError(text)
    date = pendulum.parse(text, strict=False, tz=default_timezone, now=now.astimezone(default_timezone))
    if not isinstance(date, datetime):
        raise TypeError(text)
    restored = restore_plus(text)
    if restored != text and date != _read(restored, default_timezone, now):
        raise ValueError(text)
    return _fixed(date)


def _localize(date: datetime, zone: tzinfo) -> datetime:
    """Give a naive date the offset of `zone`: an hour that comes twice is the second, a skipped one moves on."""
    aware = date.replace(tzinfo=zone, fold=1)
    if aware.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) != date:
        aware = date.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)
    return _fixed(aware)


def _fixed(date: datetime) -> datetime:
    """Return the same instant with a plain offset, so that comparisons do not depend on a zone's rules."""
    offset = date.utcoffset()
    if offset is None:
        raise ValueError(date)
    return datetime.combine(date.date(), date.time(), timezone(offset) if offset else UTC)


def _refusal(text: str) -> BadRequest:
    shown = text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}..."
    return BadRequest(
        f"Given execution date, {shown}, could not be identified as a date. "
        "Example date format: 2015-11-16T14:34:15+00:00"
    )
