"""Reads execution dates as Airflow 1.10 did: ISO 8601 first, then most forms that people write.

Airflow also accepted many other texts, often as an unrelated moment (intervals, a number as an hour, a day that is not
in the text, a time overridden by a lost offset). Those are refused.
"""

import re
from datetime import UTC, datetime, timezone, tzinfo
from zoneinfo import ZoneInfo

import pendulum
from pendulum.tz import get_local_timezone

from server.errors import BadRequest
from server.wire.prose import read_prose
from windsock.protocol import Code

_MAX_LENGTH = 100
_TIME = r"(?:[01]\d|2[0-3]):\d\d(?::\d\d(?:[.,]\d{1,9})?)?"
_OFFSET = r"(?:Z|[+-]\d\d(?::?\d\d)?)"
_ISO = re.compile(rf"\d{{4}}-\d\d-\d\d(?:[T ]{_TIME}{_OFFSET}?)?", re.ASCII | re.IGNORECASE)
_TODAY_AT = re.compile(rf"{_TIME}{_OFFSET}?", re.ASCII | re.IGNORECASE)
# A query string turns + into a space. Airflow took 05:00 02:00 for two o'clock, so only midnight is restored
_MIDNIGHT = re.compile(r"(.*[T ]00:00(?::00(?:\.0+)?)?) (00:00)", re.ASCII | re.IGNORECASE)
_LOST_PLUS = re.compile(r"(:\d\d(?:[.,]\d+)?) (\d\d:\d\d)$", re.ASCII)

# Year, month, week, ordinal, compact, hour only
_RARE_ISO = re.compile(
    rf"\d{{4}}|\d{{4}}-\d\d|\d{{4}}-?W\d\d(?:-?\d)?|\d{{4}}-?\d{{3}}|\d{{4}}-\d\d-\d\d[T ]\d\d{_OFFSET}?"
    rf"|\d{{8}}(?:T(?:[01]\d|2[0-3])(?:\d\d(?:\d\d(?:\.\d{{1,6}})?)?)?{_OFFSET}?)?"
    rf"|\d{{4}}-?(?:W\d\d-?\d|\d{{3}})[T ](?:{_TIME}|(?:[01]\d|2[0-3])\d\d(?:\d\d)?){_OFFSET}?",
    re.ASCII | re.IGNORECASE,
)
# Java's ZonedDateTime in UTC; Airflow reads no other zone in brackets
_BRACKETS = re.compile(r"(?<=Z)\[UTC\]$", re.IGNORECASE)
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
    """Read a date; it keeps its own offset, or gets that of `default_timezone`.

    `now` (with a time zone; by default the clock's) is what the word "now" and a time without a date refer to.
    `name` is how the message names a value that is not text at all.
    Raises BadRequest for everything that is not an instant in the years 1 to 9999 in UTC.
    """
    if not isinstance(text, str):
        message = f"`{name}` must be a string such as 2015-11-16T14:34:15+00:00"
        raise BadRequest(message, code=Code.INVALID_DATE)
    try:
        date = _read(text, default_timezone, now)
    except (ValueError, OverflowError) as error:
        raise _refusal(text) from error
    if not _FIRST < date < _LAST:
        raise _refusal(text)
    return date


def timezone_of(name: str) -> tzinfo:
    """Return the zone that `[core] default_timezone` names: an IANA name, `utc` or `system`."""
    return get_local_timezone() if name == "system" else ZoneInfo(name)


def restore_plus(text: str) -> str:
    """Restore the `+` before an offset, which a query string had turned into a space."""
    return _LOST_PLUS.sub(r"\1+\2", text)


def _read(text: str, default_timezone: tzinfo, now: datetime | None) -> datetime:
    """Read the documented form, or else what people write. Raises ValueError or OverflowError."""
    if _ISO.fullmatch(text):
        return _read_iso(text, default_timezone)
    if len(text) > _MAX_LENGTH:
        raise ValueError(text)
    today = (now or datetime.now(UTC)).astimezone(default_timezone)
    if text == "now":
        return _fixed(today)
    if _TODAY_AT.fullmatch(text):
        return _read_iso(f"{today.date()}T{text}", default_timezone)
    mended = _BRACKETS.sub("", _MIDNIGHT.sub(r"\1+\2", text.strip()))
    if _ISO.fullmatch(mended):
        return _read_iso(mended, default_timezone)
    return _read_leniently(text, default_timezone)


def stored_date(shown: str | None) -> datetime | None:
    """Return the moment that a statement has written as a text; None for one that Python does not know."""
    try:
        return None if shown is None else datetime.fromisoformat(shown)
    except ValueError:
        return None


def _read_iso(text: str, default_timezone: tzinfo) -> datetime:
    date = datetime.fromisoformat(text.upper())
    return date if date.tzinfo else _localize(date, default_timezone)


def _read_leniently(text: str, default_timezone: tzinfo) -> datetime:
    if not _RARE_ISO.fullmatch(text):
        return _fixed(read_prose(text, default_timezone))
    date = pendulum.parse(text, tz=default_timezone)
    if not isinstance(date, datetime):
        raise ValueError(text)  # noqa: TRY004 - the text is at fault, not its type
    return _fixed(date)


def _localize(date: datetime, zone: tzinfo) -> datetime:
    """Give a naive date the offset of `zone`: an hour that comes twice is the second, a skipped hour moves forward."""
    aware = date.replace(tzinfo=zone, fold=1)
    if aware.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) != date:
        aware = date.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)
    return _fixed(aware)


def _fixed(date: datetime) -> datetime:
    """Return the same instant with a plain offset, so that comparisons do not depend on the rules of a time zone."""
    offset = date.utcoffset()
    if offset is None:
        raise ValueError(date)
    return datetime.combine(date.date(), date.time(), timezone(offset) if offset else UTC)


def _refusal(text: str) -> BadRequest:
    shown = text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}..."
    return BadRequest(
        f"Given execution date, {shown}, could not be identified as a date. "
        "Example date format: 2015-11-16T14:34:15+00:00",
        code=Code.INVALID_DATE,
    )
