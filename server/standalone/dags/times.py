"""Reads dates and durations as DAG files write them."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import TypeVar

import pendulum
from pendulum.parsing.exceptions import ParserError

from server.wire.document import shortened

T = TypeVar("T")

_PART = r"(\d+)\s*(second|minute|hour|day|week)s?"
_RELATIVE = re.compile(rf"\s*{_PART}(?:(?:\s|,|and)+{_PART})*(?:\s+ago)?\s*", re.IGNORECASE)
_PARTS = re.compile(_PART, re.IGNORECASE)
TYPE, ARGS = "__type__", "__args__"
DATES = frozenset({"datetime.datetime", "pendulum.datetime", "pendulum.DateTime"})
DURATIONS = frozenset({"datetime.timedelta", "pendulum.duration", "pendulum.Duration"})
_LIST = "builtins.list"
OBJECTS = DATES | DURATIONS | {_LIST}
"""The types of which objects are made; Params, whose paths differ, come on top."""
_FIRST_YEAR = 1900
_LONGEST = 3_155_760_000
# No date, duration or time zone is longer.
_LONGEST_TEXT = 100


def zone(name: str) -> tzinfo:
    """Return the time zone with this name, such as `UTC` or `Europe/Warsaw`. Raises ValueError."""
    try:
        if len(name) <= _LONGEST_TEXT:
            return pendulum.timezone(name)
    except (KeyError, OSError, ValueError):
        pass
    message = f"unknown time zone {shortened(name)!r}"
    raise ValueError(message)


def parse_date(value: object, default_zone: tzinfo) -> datetime:
    """Return a moment with its zone: from a date, ISO 8601 text, `2 days` (before today's midnight) or a typed mapping.

    An offset in the value wins over `default_zone`. Raises ValueError, also if UTC has no such moment.
    """
    moment = _parse_date(value, default_zone)
    try:
        moment.astimezone(UTC)
    except OverflowError:
        message = f"{shortened(str(value))!r} is not between the years 1 and 9999 in UTC"
        raise ValueError(message) from None
    return moment


def parse_bound(value: object, default_zone: tzinfo) -> datetime:
    """Return a moment that bounds the dates of runs, as `parse_date` does; raises ValueError before the year 1900."""
    moment = parse_date(value, default_zone)
    if moment.year < _FIRST_YEAR:
        message = f"{shortened(str(value))!r} is before the year {_FIRST_YEAR}"
        raise ValueError(message)
    return moment


def _parse_date(value: object, default_zone: tzinfo) -> datetime:
    if isinstance(value, Mapping) and str(value.get(TYPE)) in DATES:
        value = _typed(datetime, value)
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=default_zone)
    if isinstance(value, date):
        return datetime.combine(value, time.min, default_zone)
    if isinstance(value, str) and len(value) <= _LONGEST_TEXT:
        return _parse_text(value, default_zone)
    message = f"{shortened(repr(value))} is not a date; write 2024-01-31, 2024-01-31T12:00:00+01:00 or '2 days'"
    raise ValueError(message)


def _parse_text(text: str, default_zone: tzinfo) -> datetime:
    if _RELATIVE.fullmatch(text):
        midnight = datetime.combine(datetime.now(default_zone), time.min, default_zone)
        return midnight - timedelta(seconds=parse_duration(text))
    try:
        parsed = pendulum.parse(text, tz=default_zone)
    except (ParserError, ValueError, OverflowError, LookupError, TypeError, AttributeError):
        # The parser may raise anything for a text that is not a date.
        parsed = None
    if not isinstance(parsed, datetime):
        message = f"{text!r} is not a date; write 2024-01-31, 2024-01-31T12:00:00+01:00 or '2 days'"
        raise ValueError(message)  # noqa: TRY004 - a text of the wrong form, not a wrong type
    # pendulum's subclass is not a datetime for msgspec.
    return datetime.combine(parsed.date(), parsed.time(), parsed.tzinfo)


def parse_duration(value: object) -> float:
    """Return seconds: from a number, `5 minutes`, `1 hour 30 minutes` or a typed mapping. Raises ValueError."""
    seconds: float
    if isinstance(value, Mapping) and str(value.get(TYPE)) in DURATIONS:
        seconds = _typed(timedelta, value).total_seconds()
    elif isinstance(value, str) and len(value) <= _LONGEST_TEXT and _RELATIVE.fullmatch(value):
        parts = {f"{unit.lower()}s": 0 for _, unit in _PARTS.findall(value)}
        for number, unit in _PARTS.findall(value):
            parts[f"{unit.lower()}s"] += int(number[:12])
        seconds = _typed(timedelta, parts).total_seconds()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    else:
        message = f"{shortened(repr(value))} is not a duration; write seconds or '5 minutes'"
        raise ValueError(message)
    if not 0 <= seconds <= _LONGEST:
        message = f"a duration must be between 0 and {_LONGEST} seconds"
        raise ValueError(message)
    return float(seconds)


def _typed(kind: Callable[..., T], value: Mapping[str, object]) -> T:
    # dag-factory gives each date the time zone of its place, whatever is written here.
    named = {key: item for key, item in value.items() if key not in {TYPE, ARGS, "tz"}}
    positional = value.get(ARGS, [])
    try:
        if isinstance(positional, list):
            return kind(*positional, **named)
    except (TypeError, ValueError, OverflowError):
        pass
    message = f"{shortened(str(dict(value)), 100)} is not a date or duration"
    raise ValueError(message)


def plain(value: object) -> object:
    """Return the value as JSON has it: dates as ISO 8601 text, typed durations in seconds. Raises ValueError."""
    if isinstance(value, Mapping):
        kind = str(value.get(TYPE))
        if kind in DURATIONS:
            return parse_duration(value)
        if kind in DATES:
            return parse_date(value, UTC).isoformat()
        if kind == _LIST and isinstance(items := value.get("items"), list):
            return plain(items)
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value
