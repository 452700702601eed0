"""Dates and durations as DAG files write them."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import TypeVar

import pendulum
from pendulum.parsing.exceptions import ParserError

T = TypeVar("T")

_PART = r"(\d+)\s*(second|minute|hour|day|week)s?"
_RELATIVE = re.compile(rf"\s*{_PART}(?:(?:\s|,|and)+{_PART})*(?:\s+ago)?\s*", re.IGNORECASE)
_PARTS = re.compile(_PART, re.IGNORECASE)
_TYPE = "__type__"
_LONGEST = 3_155_760_000.0


def zone(name: str) -> tzinfo:
    """The time zone of this name, `UTC` or `Europe/Warsaw`. Raises ValueError."""
    try:
        return pendulum.timezone(name)
    except (KeyError, OSError, ValueError) as error:
        message = f"unknown time zone {name!r}"
        raise ValueError(message) from error


def parse_date(value: object, default_zone: tzinfo) -> datetime:
    """A moment, with its zone: a date, ISO 8601 text, `2 days` (before today's midnight) or a typed mapping.

    An offset in the value wins over `default_zone`. Raises ValueError.
    """
    if isinstance(value, Mapping) and value.get(_TYPE) == "datetime.datetime":
        value = _typed(datetime, value)
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=default_zone)
    if isinstance(value, date):
        return datetime.combine(value, time.min, default_zone)
    if isinstance(value, str):
        return _parse_text(value, default_zone)
    message = f"{value!r} is not a date; write 2024-01-31, 2024-01-31T12:00:00+01:00 or '2 days'"
    raise ValueError(message)


def _parse_text(text: str, default_zone: tzinfo) -> datetime:
    if _RELATIVE.fullmatch(text):
        midnight = datetime.combine(datetime.now(default_zone), time.min, default_zone)
        return midnight - timedelta(seconds=parse_duration(text))
    try:
        parsed = pendulum.parse(text, tz=default_zone)
    except (ParserError, ValueError, OverflowError):
        parsed = None
    if not isinstance(parsed, datetime):
        message = f"{text!r} is not a date; write 2024-01-31, 2024-01-31T12:00:00+01:00 or '2 days'"
        raise ValueError(message)  # noqa: TRY004 - a text of the wrong form, not a wrong type
    # pendulum's own subclass is not what msgspec takes for a datetime.
    return datetime.combine(parsed.date(), parsed.time(), parsed.tzinfo)


def parse_duration(value: object) -> float:
    """Seconds: a number, `5 minutes`, `1 hour 30 minutes` or a typed mapping. Raises ValueError."""
    if isinstance(value, Mapping) and value.get(_TYPE) == "datetime.timedelta":
        seconds = _typed(timedelta, value).total_seconds()
    elif isinstance(value, str) and _RELATIVE.fullmatch(value):
        parts = {f"{unit.lower()}s": 0 for _, unit in _PARTS.findall(value)}
        for number, unit in _PARTS.findall(value):
            parts[f"{unit.lower()}s"] += int(number[:12])
        seconds = _typed(timedelta, parts).total_seconds()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        message = f"{value!r} is not a duration; write seconds or '5 minutes'"
        raise ValueError(message)
    if not 0 <= seconds <= _LONGEST:
        message = f"a duration must be between 0 and {_LONGEST:.0f} seconds"
        raise ValueError(message)
    return seconds


def _typed(kind: Callable[..., T], value: Mapping[str, object]) -> T:
    try:
        return kind(**{key: item for key, item in value.items() if key != _TYPE})
    except (TypeError, ValueError, OverflowError) as error:
        message = f"not a date or duration: {error}"
        raise ValueError(message) from error


def plain(value: object) -> object:
    """The value as JSON has it: dates as ISO 8601 text, typed durations in seconds. Raises ValueError."""
    if isinstance(value, Mapping):
        match value.get(_TYPE):
            case "datetime.timedelta":
                return parse_duration(value)
            case "datetime.datetime":
                return parse_date(value, UTC).isoformat()
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def is_no_schedule(value: object) -> bool:
    """Whether a file says that there is none: null, or the word as dag-factory takes it."""
    return str(value).strip().lower() == "none"


def parse_schedule(value: object) -> str | timedelta | None:
    """A cron expression or preset, an interval, or None: no schedule, or one that Airflow 1.10 lacks.

    Raises ValueError for what is no schedule at all.
    """
    if isinstance(value, Mapping) and value.get("type") in {"cron", "timedelta"}:
        inner = value.get("value")
        typed = value["type"] == "timedelta" and isinstance(inner, Mapping) and _TYPE not in inner
        value = {_TYPE: "datetime.timedelta", **inner} if typed and isinstance(inner, Mapping) else inner
    if isinstance(value, Mapping) and value.get(_TYPE) == "datetime.timedelta":
        return timedelta(seconds=parse_duration(value))
    if isinstance(value, str):
        return None if is_no_schedule(value) else value
    if value is None or isinstance(value, list | Mapping):
        return None
    message = f"{value!r} is not a schedule; write a cron expression in quotes, or null"
    raise ValueError(message)
