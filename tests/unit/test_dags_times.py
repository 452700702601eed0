from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from server.standalone.dags.times import parse_date, parse_duration, plain, zone

WARSAW = zone("Europe/Warsaw")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (date(2020, 1, 2), "2020-01-02T00:00:00+01:00"),
        (datetime(2020, 7, 2, 3, 4), "2020-07-02T03:04:00+02:00"),  # noqa: DTZ001 - the zone is what is tested
        (datetime(2020, 7, 2, tzinfo=UTC), "2020-07-02T00:00:00+00:00"),
        ("2020-01-02", "2020-01-02T00:00:00+01:00"),
        ("2020-01-02T03:04:05", "2020-01-02T03:04:05+01:00"),
        ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05+00:00"),
        ("2020-01-02 03:04:05+05:30", "2020-01-02T03:04:05+05:30"),
        ({"__type__": "datetime.datetime", "year": 2025, "month": 1, "day": 2}, "2025-01-02T00:00:00+01:00"),
    ],
)
def test_dates(value: object, expected: str) -> None:
    """A date is in the given zone unless it says otherwise."""
    parsed = parse_date(value, WARSAW)
    assert type(parsed) is datetime
    assert parsed.isoformat() == expected


def test_relative_dates_count_from_todays_midnight() -> None:
    """`2 days` is midnight two days ago, in the zone."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    assert parse_date("2 days", UTC) in {midnight - timedelta(days=2), midnight - timedelta(days=1)}


@pytest.mark.parametrize(
    "value",
    ["someday", "", "12 parsecs", 5, True, [2020], {"year": 1}, {"__type__": "datetime.datetime", "year": 0}, "P1D"],
)
def test_no_dates(value: object) -> None:
    """Anything else is a ValueError, nothing worse."""
    with pytest.raises(ValueError, match="not a date"):
        parse_date(value, UTC)


def test_unknown_zone() -> None:
    """A zone that nobody knows is a ValueError that names it."""
    with pytest.raises(ValueError, match="Mars"):
        zone("Mars")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (300, 300.0),
        (0.5, 0.5),
        ("5 minutes", 300.0),
        ("1 hour 30 minutes", 5400.0),
        ("2 days, 3 seconds", 172803.0),
        ("1 WEEK", 604800.0),
        ({"__type__": "datetime.timedelta", "minutes": 5}, 300.0),
    ],
)
def test_durations(value: object, seconds: float) -> None:
    """Durations are seconds, words, or a typed mapping."""
    assert parse_duration(value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        True,
        "soon",
        "-5 minutes",
        -1,
        1e300,
        "9" * 400 + " days",
        [],
        {"minutes": 5},
        {"__type__": "datetime.timedelta", "minuets": 5},
        {"__type__": "datetime.timedelta", "days": 10**12},
    ],
)
def test_no_durations(value: object) -> None:
    """Anything else is a ValueError."""
    with pytest.raises(ValueError, match="duration"):
        parse_duration(value)


def test_plain_makes_json_of_what_yaml_has() -> None:
    """Dates become text and typed durations seconds, at any depth."""
    value = {
        "day": date(2020, 1, 2),
        "at": [datetime(2020, 1, 2, tzinfo=timezone(timedelta(hours=1)))],
        "wait": {"__type__": "datetime.timedelta", "seconds": 5},
    }
    assert plain(value) == {"day": "2020-01-02", "at": ["2020-01-02T00:00:00+01:00"], "wait": 5.0}
