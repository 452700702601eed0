"""Execution dates: what Airflow 1.10 read is read the same or refused, and nothing ever crashes."""

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.errors import BadRequest
from server.wire import parse_execution_date
from server.wire.warning_header import begin, joined

DATES = Path(__file__).parents[1] / "fixtures" / "dates.tsv"
WARSAW = ZoneInfo("Europe/Warsaw")
NOW = datetime(2026, 11, 22, 12, 4, 28, 526230, tzinfo=UTC)

READ = {
    # documented, and what clients send
    "2020-02-03T01:02:03": "2020-02-03T01:02:03+00:00",
    "2020-02-03T02:00:00Z": "2020-02-03T02:00:00+00:00",
    "2020-02-03T05:00:00+05:30": "2020-02-03T05:00:00+05:30",
    "2020-02-03T05:00:00-0800": "2020-02-03T05:00:00-08:00",
    "2020-02-03T06:00:00+01": "2020-02-03T06:00:00+01:00",
    "2020-02-04T01:02:03.456789+00:00": "2020-02-04T01:02:03.456789+00:00",
    "2020-02-04T02:02:03.456Z": "2020-02-04T02:02:03.456000+00:00",
    "2020-02-04T03:02:03.123456789Z": "2020-02-04T03:02:03.123456+00:00",
    "2020-02-04T04:02:03,5Z": "2020-02-04T04:02:03.500000+00:00",
    "2020-02-05 03:04": "2020-02-05T03:04:00+00:00",
    "2020-02-05 04:04:05 +00:00": "2020-02-05T04:04:05+00:00",
    "2020-02-02": "2020-02-02T00:00:00+00:00",
    "2020-02-12t00:00:00z": "2020-02-12T00:00:00+00:00",
    " 2020-02-13": "2020-02-13T00:00:00+00:00",
    "2020-02-14 ": "2020-02-14T00:00:00+00:00",
    "2020-02-17T00:00:00+23:59": "2020-02-17T00:00:00+23:59",
    "9999-12-31T23:59:59Z": "9999-12-31T23:59:59+00:00",
    # the rest of ISO 8601
    "2021": "2021-01-01T00:00:00+00:00",
    "2020-03": "2020-03-01T00:00:00+00:00",
    "2020-W07-1": "2020-02-10T00:00:00+00:00",
    "2020W07": "2020-02-10T00:00:00+00:00",
    "2020-041": "2020-02-10T00:00:00+00:00",
    "20200207": "2020-02-07T00:00:00+00:00",
    "20200206T010203Z": "2020-02-06T01:02:03+00:00",
    "2020-02-08T05": "2020-02-08T05:00:00+00:00",
    # people
    "2020/02/11": "2020-02-11T00:00:00+00:00",
    "2020-2-3": "2020-02-03T00:00:00+00:00",
    "02/10/2020": "2020-02-10T00:00:00+00:00",
    "13/10/2020": "2020-10-13T00:00:00+00:00",
    "10 February 2020": "2020-02-10T00:00:00+00:00",
    "January 5th, 2020 10:00 PM": "2020-01-05T22:00:00+00:00",
    "Mon, 10 Feb 2020 00:00:00 GMT": "2020-02-10T00:00:00+00:00",
    "5 Jan 2020 10:00:00 +0200": "2020-01-05T10:00:00+02:00",
    "Sun Feb 16 05:00:00 2020": "2020-02-16T05:00:00+00:00",
    "now": "2026-11-22T12:04:28.526230+00:00",
    "10:11:12": "2026-11-22T10:11:12+00:00",
    "00:00": "2026-11-22T00:00:00+00:00",
    # a plus that a query string had eaten
    "2020-02-16T00:00:00 00:00": "2020-02-16T00:00:00+00:00",
}

REFUSED = [
    "",
    " ",
    "junk",
    "latest",
    "setup_1",
    "today",
    "2021-02-29",
    "2020-13-01",
    "2020-01-01T24:00:00",
    "2020-01-01T24:00",
    "20200101T240000",
    "2020-01-01T00:00:60",
    "1578182400",
    "P1D",
    "2020-01-01/2020-01-02",
    "2020-01-05/P1D",
    "10000-01-01",
    "2020-01-01T00:00:00[Europe/Warsaw]",
    "2020-02-17T00:00:00+25:00",
    "2020-02-17T00:00:00+24:00",
    "9999-12-31T23:59:59-05:00",
    "9999-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00+05:00",
    "0001-01-01T00:00:00Z",
    "2020-02-18\0",
    "\ufffd",
    "\uff12\uff10\uff12\uff10-02-19",
    "-2020-01-05",
    "202001",
    "20",
    "2020-1",
    "2019-366",
    "2020-02-16T05:00:00 05:30",
    "2" * 50,
]


@pytest.mark.parametrize(("text", "expected"), READ.items())
def test_reads_what_airflow_read(text: str, expected: str) -> None:
    """Each of these gives the moment and the offset that Airflow 1.10.15 gave."""
    assert parse_execution_date(text, UTC, now=NOW).isoformat() == expected


def outcome(text: str) -> str:
    """Return the date that is read, or 400 where it is refused in a short message."""
    try:
        return parse_execution_date(text, UTC, now=NOW).isoformat()
    except BadRequest as error:
        return "400" if len(error.message) < 250 else error.message


def table() -> list[tuple[str, str]]:
    """Read `dates.tsv`: texts, what Airflow 1.10.15 made of them, and what Windsock makes of them where that differs.

    It differs where Airflow fills in what a text does not say, drops what it says, or reads what Postgres cannot hold.
    """
    lines = [line.split("\t") for line in DATES.read_text("utf-8").splitlines()]
    return [(json.loads(text), (own or [airflow])[0]) for text, airflow, *own in lines]


@pytest.mark.parametrize(("text", "expected"), table())
def test_reads_what_airflow_read_in_many_forms(text: str, expected: str) -> None:
    """Recorded with the parser of a real Airflow 1.10.15: other programs' defaults, and what people type."""
    read = outcome(text)
    assert read == expected or (expected == "today" and read.startswith("2026-11-22T"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2020-01-01T00:00:00 CET", "is not known and was ignored"),
        ("Thu May 26 2022 07:39:56 GMT+0200 (CEST)", "was turned round, as by Airflow: 2022-05-26T07:39:56-02:00"),
        ("Thu May 26 2022 07:39:56 GMT+0000", ""),
        ("Thu, 26 May 2022 07:39:56 +0200", ""),
        ("2022-05-26T07:39:56Z[UTC]", ""),
        ("26-May-2022 07:39:56 +02:00", ""),
    ],
)
def test_a_reading_that_is_hardly_meant_comes_with_a_warning(text: str, words: str) -> None:
    """Airflow reads it so, and its runs have these dates; the caller may have meant another moment."""
    begin()
    parse_execution_date(text, UTC)
    assert words in (joined() or "")
    assert bool(words) == (joined() is not None)


LONG = [
    "9" * 100_000,
    "1" * 99,
    f"2022-05-26T07:39:56.{'1' * 70}Z",
    f"2022 {'1 ' * 40}",
    "9999999999-01-01",
    "2022" * 20,
]
ODD = [
    f"2022-05-26{' am' * 28}",
    f"{'Jan ' * 24}2022",
    f"2022-01-01T00:00:00+{'9' * 60}",
    "2022:" * 16,
    "1e9999 2022 may 5",
]
ODD += [f"2022-05-26T07:39:56.{chr(0xFF11) * 9}", "26 May 99999999", "0x2022 May 26", "2022-05-26T07:39:56" + " " * 900]


@pytest.mark.parametrize("text", [*LONG, *ODD])
def test_long_and_odd_texts_are_read_or_refused(text: str) -> None:
    """Nothing is computed of thousands of digits, and the message stays short."""
    assert outcome(text) == "400" or outcome(text).startswith("2022-")


@pytest.mark.parametrize("text", REFUSED)
def test_refuses_in_the_words_of_airflow(text: str) -> None:
    """What is no date, or may mean several, is a 400 with the text that clients know."""
    with pytest.raises(BadRequest) as caught:
        parse_execution_date(text, UTC, now=NOW)
    assert caught.value.message == (
        f"Given execution date, {text}, could not be identified as a date. "
        "Example date format: 2015-11-16T14:34:15+00:00"
    )


@pytest.mark.parametrize("value", [1581292800, 1.5, True, False, [], ["2020-02-20"], {}, None])
def test_names_the_field_that_is_not_text(value: object) -> None:
    """A date that is not a string is refused by the field's name."""
    with pytest.raises(BadRequest, match="`execution_date` must be a string"):
        parse_execution_date(value, UTC)


def test_a_huge_text_is_not_echoed() -> None:
    """Thousands of digits are refused at once, and the message stays short."""
    with pytest.raises(BadRequest) as caught:
        parse_execution_date("2" * 100_000, UTC)
    assert len(caught.value.message) < 250


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-07-01T12:00:00", "2020-07-01T12:00:00+02:00"),
        ("2020-07-01T12:00:00Z", "2020-07-01T12:00:00+00:00"),
        ("2020-03-29T02:30:00", "2020-03-29T03:30:00+02:00"),
        ("2020-10-25T02:30:00", "2020-10-25T02:30:00+01:00"),
        ("2020/10/25T02:30", "2020-10-25T02:30:00+01:00"),
        ("2020/03/29T02:30", "2020-03-29T03:30:00+02:00"),
        ("2020-W07-1", "2020-02-10T00:00:00+01:00"),
        ("10:11", "2026-11-22T10:11:00+01:00"),
        ("now", "2026-11-22T13:04:28.526230+01:00"),
        ("2020-02-16T00:00:00 00:00", "2020-02-16T00:00:00+00:00"),
    ],
)
def test_a_date_without_an_offset_is_in_the_default_timezone(text: str, expected: str) -> None:
    """Changes of the clock go as in Airflow: the second of two equal hours, and past a missing one."""
    assert parse_execution_date(text, WARSAW, now=NOW).isoformat() == expected


ALPHABET = st.sampled_from("0123456789-+:./, TZWtzapm\0é\uff12")
PIECES = st.lists(st.one_of(ALPHABET, st.sampled_from([*READ, *REFUSED, "W", "Feb", "UTC", "+99", "00"])), max_size=4)


@given(st.one_of(st.text(max_size=80), PIECES.map("".join)))
@example("0000-01-01")
@example("9999-12-31T23:59:59-23:59")
@example("0001-01-01T00:00:00+23:59")
def test_any_text_is_an_instant_or_a_400(text: str) -> None:
    """Whatever is sent, the answer is an aware date within Postgres' and Python's range, or BadRequest."""
    for zone in (UTC, WARSAW):
        try:
            date = parse_execution_date(text, zone, now=NOW)
        except BadRequest:
            continue
        assert date.astimezone(UTC).tzinfo is UTC
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*[+-]\d\d:\d\d(:\d\d)?", date.isoformat())


OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=OFFSETS))  # noqa: DTZ001 - hypothesis wants naive bounds
def test_what_the_api_writes_it_reads(date: datetime) -> None:
    """The isoformat of any date comes back as the same instant with the same offset."""
    read = parse_execution_date(date.isoformat(), WARSAW)
    assert (read, read.utcoffset()) == (date, date.utcoffset())
