"""Reads dates as people and other programs' defaults write them: English, RFC 2822, slashes and dots, AM and PM.

Airflow leaves these to dateutil, which finds a date in almost every text and fills in today for what is missing. So a
date counts only if the text has a year of four digits, a month and a day, and no part of it is left over.
"""

import re
import warnings
from collections import Counter
from datetime import UTC, datetime, tzinfo

import pendulum

from server.wire.warning_header import warn

_YEAR = re.compile(r"(?<!\d)[1-9]\d{3}", re.ASCII)
_FRACTION = re.compile(r"(?<=:\d\d)[.,]\d*|(?<=\d{6})\.\d+", re.ASCII)
_OFFSET = re.compile(r"(?<=:\d\d)( ?[AP]M)?( ?[A-Z]{1,5})? ?[+-]\d\d?(?::?\d\d)?(?!\d)", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"\d+", re.ASCII)
_MONTH = re.compile(r"(?<![a-z])(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", re.ASCII | re.IGNORECASE)
# For "my time is GMT+2" dateutil returns the zone that is two hours behind
_TURNED = re.compile(r":\d\d ?(?:[AP]M ?)?[A-Z]{3,5} ?[+-]\d", re.ASCII | re.IGNORECASE)
_LONGEST_NUMBER = 8
_TOO_LONG = re.compile(r"\d{9}", re.ASCII)


def read_prose(text: str, default_timezone: tzinfo) -> datetime:
    """Read a date as Airflow does; warn the caller if that is hardly what was meant. Raises ValueError."""
    whole = _OFFSET.sub(r"\1", _FRACTION.sub("", text))
    if not (_is_plain(text) and _YEAR.search(text)) or _TOO_LONG.search(whole):
        raise ValueError(text)
    with warnings.catch_warnings(record=True) as caught:
        # dateutil's UnknownTimezoneWarning is one of these.
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", RuntimeWarning)
        # UTC has no missing hours, so this is exactly what was written.
        written = _parse(text, UTC)
        date = written if default_timezone is UTC else _parse(text, default_timezone)
    if not _is_said(written, whole):
        raise ValueError(text)
    if caught:
        warn(f"The time zone in {text} is not known and was ignored, as by Airflow: {date.isoformat()}")
    elif written.utcoffset() and _TURNED.search(text):
        warn(f"The offset in {text} was turned round, as by Airflow: {date.isoformat()}")
    return date


def _parse(text: str, zone: tzinfo) -> datetime:
    try:
        date = pendulum.parse(text, strict=False, tz=zone)
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        raise ValueError(text) from error
    if not isinstance(date, datetime):
        raise ValueError(text)  # noqa: TRY004 - the text is at fault, not its type
    return date


def _is_plain(text: str) -> bool:
    """Whether a text is printable ASCII and does not begin with a sign."""
    return text.isascii() and text.isprintable() and text.strip()[:1] not in {"+", "-"}


def _is_said(date: datetime, text: str) -> bool:
    """Whether a text without fraction and offset has the year, month and day of `date`, and no number besides."""
    unsaid = Counter([date.year, date.month, date.day, date.hour, date.minute, date.second])
    for number in _NUMBER.findall(text):
        parts = _split(number, date.year)
        if not unsaid[parts[0]] and parts[0] == (date.hour % 12 or 12):
            # AM or PM
            parts[0] = date.hour
        if not all(unsaid[part] for part in parts):
            return False
        unsaid.subtract(parts)
    left = [part for part in unsaid.elements() if part]
    return not left or (left == [date.month] and _MONTH.search(text) is not None)


def _split(number: str, year: int) -> list[int]:
    """Read a number as one, or as several that were written without anything between them."""
    if len(number) <= 2 or int(number) == year:  # noqa: PLR2004 - digits
        return [int(number)]
    head = 4 if len(number) == _LONGEST_NUMBER else 2
    return [int(number[:head]), *(int(number[at : at + 2]) for at in range(head, len(number), 2))]
