"""Bodies of triggers, pools and pauses, and names in paths."""

import contextlib
import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import BadRequest
from server.wire import (
    PoolRequest,
    Trigger,
    check_id,
    parse_dag_patch,
    parse_pause,
    parse_pool,
    parse_pool_name,
    parse_trigger,
)
from server.wire.strict_json import parse_json
from server.wire.warning_header import begin, joined

NOW = datetime(2026, 11, 22, 12, 4, 21, 18828, tzinfo=UTC)
DATE = "2020-04-01T00:01:00.654321+00:00"


def trigger(**fields: object) -> Trigger:
    """Parse a body of these fields."""
    return parse_trigger(json.dumps(fields).encode(), UTC, NOW)


def pool(**fields: object) -> PoolRequest:
    """Parse a good pool with these fields changed."""
    return parse_pool(json.dumps({"name": "p", "slots": 1, "description": "d", **fields}).encode(), 50)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"not json", "is not valid JSON"),
        (b"{'run_id': 'a'}", "is not valid JSON"),
        (b'{"conf": "{}",}', "is not valid JSON"),
        (b"{} x", "is not valid JSON"),
        (b"NaN", "is not valid JSON"),
        (b'{"x": Infinity}', "is not valid JSON"),
        (b'{"x": 1e400}', "is not valid JSON"),
        (b'{"x": "\\ud800"}', "is not valid JSON"),
        (b'{"x": "\\ud800 y"}', "is not valid JSON"),
        (b'{"x": ' + b"9" * 5000 + b"}", "is not valid JSON"),
        (b'{"x": ' + b"9" * 5000 + b".5}", "is not valid JSON"),
        (b'{"x": "lat-\xe9"}', "is not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "is not UTF-8"),
        (b'{"x": "a\\u0000b"}', "NUL"),
        (b'{"a\\u0000": 1}', "NUL"),
        (b'{"x": "\\\\\\u0000"}', "NUL"),
        (b"[" * 60_000, "nested too deeply"),
        (b'{"a":' * 60_000, "nested too deeply"),
        (b"[" * 101 + b"]" * 101, "nested too deeply"),
        (b'{"a":[' * 51 + b"]}" * 51, "nested too deeply"),
    ],
    ids=range(22),
)
def test_bad_json_is_a_400(body: bytes, words: str) -> None:
    """What strict JSON, Postgres or the recursion limit would choke on is refused in clear words."""
    with pytest.raises(BadRequest, match=words):
        parse_json(body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"not json", "is not valid JSON: see line 1, column 1"),
        (b'{"run_id": "a",\n conf: {}}', "is not valid JSON: see line 2, column 2"),
        (b"{} x", "is not valid JSON: see line 1, column 4"),
        (b'{"x": "lat-\xe9"}', "is not UTF-8 text"),
        (b'{"x": NaN}', "holds NaN, which is not valid JSON, at `x`; null would be"),
        (b'{"a": {"b": [1, -Infinity]}}', "holds -Infinity, which is not valid JSON, at `a.b[1]`; null would be"),
        (b'{"x": 1e999}', "holds Infinity, which is not valid JSON, at `x`; null would be"),
        (
            b'{"x": "\\ud800"}',
            "is not valid JSON: it holds a number that is too large or none at all, or half of a surrogate pair",
        ),
    ],
    ids=range(8),
)
def test_the_words_about_bad_json_are_ours(body: bytes, message: str) -> None:
    """They say where, and stay the same whatever release of a library reads the JSON."""
    with pytest.raises(BadRequest) as caught:
        parse_json(body)
    assert caught.value.message == f"The request body {message}"


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'\xef\xbb\xbf{"run_id": "bom8"}', {"run_id": "bom8"}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'{"i": 1208925819614629174706176}', {"i": 2**80}),
        (b'{"x": "a\\\\u0000b"}', {"x": "a\\u0000b"}),
        ('{"k": "żółć ☃ 😀"}'.encode(), {"k": "żółć ☃ 😀"}),
        (b"[" * 100 + b"]" * 100, json.loads("[" * 100 + "]" * 100)),
        (b'{"x": [' + b",".join([b"[]"] * 500) + b"]}", {"x": [[]] * 500}),
    ],
    ids=range(7),
)
def test_good_json_is_read(body: bytes, value: object) -> None:
    """A byte order mark, duplicate keys (the last wins), big integers and wide bodies are fine."""
    assert parse_json(body) == value


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)
FIELDS = st.dictionaries(
    st.sampled_from(
        [
            "run_id",
            "conf",
            "execution_date",
            "replace_microseconds",
            "name",
            "slots",
            "description",
            "is_paused",
            "x",
        ]
    ),
    JSON,
)


@given(
    st.one_of(
        st.binary(max_size=60),
        st.text(max_size=60).map(str.encode),
        FIELDS.map(lambda v: json.dumps(v).encode()),
    )
)
def test_any_body_is_understood_or_a_400(body: bytes) -> None:
    """No body makes a parser raise anything but BadRequest."""
    for parse in (
        lambda: parse_trigger(body, UTC, NOW),
        lambda: parse_pool(body, 50),
        lambda: parse_dag_patch(body),
    ):
        with contextlib.suppress(BadRequest):
            parse()


@pytest.mark.parametrize("body", [b"null", b"[]", b'["run_id"]', b'"x"', b'"{}"', b"0", b"true"])
def test_a_body_must_be_an_object(body: bytes) -> None:
    """Lists, strings and the rest are refused where Airflow has no use for them."""
    for parse in (
        lambda: parse_pool(body, 50),
        lambda: parse_dag_patch(body),
    ):
        with pytest.raises(BadRequest, match="must be"):
            parse()


@pytest.mark.parametrize(
    "body", ['""', '"x"', '"{}"', "[]", '["x"]', '[{"run_id": "r"}]', "[[]]", '"RUN_ID"', "[1, null]"]
)
def test_a_string_or_list_without_names_of_fields_is_an_empty_trigger(body: str) -> None:
    """As Airflow: `json=''` of Python's requests sends an empty string. The caller is told that it was ignored."""
    begin()
    assert parse_trigger(body.encode(), UTC, NOW) == trigger()
    assert (joined() or "").startswith("The request body was ignored: it is a ")


@pytest.mark.parametrize("field", ["run_id", "conf", "execution_date", "replace_microseconds"])
def test_a_body_that_is_encoded_twice_is_refused(field: str) -> None:
    """The caller meant something by it; Airflow fails with a 500."""
    for body in (json.dumps({field: "x"}), [field], f"no {field}"):
        with pytest.raises(BadRequest, match="encoded twice"):
            parse_trigger(json.dumps(body).encode(), UTC, NOW)


@pytest.mark.parametrize("body", [b"null", b"0", b"-1.5", b"true", b"false"])
def test_a_trigger_is_no_other_json(body: bytes) -> None:
    with pytest.raises(BadRequest, match="must be a JSON object"):
        parse_trigger(body, UTC, NOW)


def test_fields_that_a_trigger_has_not_are_named() -> None:
    """They are ignored all the same; a typo is found."""
    begin()
    assert trigger(excution_date="2020-01-01", **{"ż\r\n": 1}) == trigger()
    known = "conf, execution_date, replace_microseconds, run_id"
    assert joined() == f"Field ignored: excution_date, \\u017c\\r\\n (those of this endpoint are {known})"
    begin()
    trigger(run_id="r", conf={"any": 1}, execution_date="2020-01-01", replace_microseconds="false")
    assert joined() is None


def test_an_empty_trigger_is_now_without_microseconds() -> None:
    """Nothing given: now, run_id made of it, no conf, and a message with a space."""
    made = trigger()
    assert made == trigger(run_id=None, conf=None, execution_date=None, replace_microseconds=None)
    assert made.run_id == "manual__2026-11-22T12:04:21+00:00"
    assert made.shown_date == "2026-11-22 12:04:21+00:00"
    assert (made.conf, made.date_given) == (None, False)


def test_now_is_shown_in_utc() -> None:
    """A left-out date is UTC whatever the default time zone and the clock that was passed."""
    made = parse_trigger(b"{}", ZoneInfo("Europe/Warsaw"), NOW.astimezone(ZoneInfo("Asia/Tokyo")))
    assert made.execution_date.isoformat() == "2026-11-22T12:04:21+00:00"


def test_a_given_date_keeps_offset_and_microseconds() -> None:
    """The offset shows in the run_id and, with a T, in the message."""
    made = trigger(execution_date="2020-02-03T05:00:00.5+05:30")
    assert made.run_id == "manual__2020-02-03T05:00:00.500000+05:30"
    assert made.shown_date == "2020-02-03T05:00:00.500000+05:30"


@pytest.mark.parametrize("value", ["true", "True", "t", "y", "YES", "1", True])
def test_microseconds_go_when_asked(value: object) -> None:
    """Airflow's words for yes, and a boolean."""
    assert trigger(execution_date=DATE, replace_microseconds=value).execution_date.microsecond == 0


@pytest.mark.parametrize("value", ["false", "0", "no", "", "banana", False])
def test_microseconds_stay_otherwise(value: object) -> None:
    """Any other string is no, also where no date was given."""
    assert trigger(execution_date=DATE, replace_microseconds=value).execution_date.microsecond == 654321
    assert trigger(replace_microseconds=value).shown_date == "2026-11-22 12:04:21.018828+00:00"


@pytest.mark.parametrize("value", [1, 0, 1.5, [], {}])
def test_replace_microseconds_of_another_kind_is_a_400(value: object) -> None:
    """Numbers, lists and objects are refused."""
    with pytest.raises(BadRequest, match="`replace_microseconds` must be"):
        trigger(replace_microseconds=value)


@pytest.mark.parametrize("value", [None, "", 0, False, [], {}])
def test_a_falsy_run_id_is_none(value: object) -> None:
    """As in Airflow, these give the default run_id."""
    assert trigger(run_id=value, execution_date="2020-01-01").run_id == "manual__2020-01-01T00:00:00+00:00"


@pytest.mark.parametrize("value", [" ", "5", "ż" * 250, "a b/c?d=e&f#g", "<b>x</b>", "backfill_2020-06-01"])
def test_any_text_is_a_run_id(value: str) -> None:
    """250 characters, not bytes; blanks and slashes are fine."""
    assert trigger(run_id=value).run_id == value


@pytest.mark.parametrize("value", ["r" * 251, 5, 1.5, True, ["a"], {"a": 1}])
def test_a_bad_run_id_is_a_400(value: object) -> None:
    """Too long, or not a string; it is told once the DAG is known."""
    error = trigger(run_id=value).run_id_error
    assert error is not None
    assert error.message.startswith("`run_id` must be")


@pytest.mark.parametrize(
    ("conf", "stored"),
    [
        ({"key": "value"}, {"key": "value"}),
        ('{"key":"value"}', {"key": "value"}),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ({"i": 2**80}, {"i": 2**80}),
        ("{}", {}),
        ("null", None),
        (None, None),
        ("", None),
        ({}, None),
        ([], None),
        (0, None),
        (False, None),
    ],
)
def test_conf_is_an_object_or_a_string_of_one(conf: object, stored: object) -> None:
    """Both spellings store the same; falsy values are no conf, but the string {} is an empty one."""
    assert trigger(conf=conf).conf == stored


@pytest.mark.parametrize(
    "conf",
    [
        "  ",
        "hello",
        "{'key': 'value'}",
        '{"key": }',
        [1, 2],
        5,
        1.5,
        True,
        '{"x": NaN}',
        '{"a": "\\ud800"}',
        '{"a": "\\u0000"}',
        "[" * 60_000,
        '{"a":' * 200 + "1" + "}" * 200,
    ],
    ids=range(13),
)
def test_another_conf_is_a_400(conf: object) -> None:
    """The message names conf and says what it should be; it is told once the DAG and the run_id are known."""
    error = trigger(conf=conf).conf_error
    assert error is not None
    assert "`conf`" in error.message


@pytest.mark.parametrize(
    ("conf", "stored"),
    [
        ('"abc"', "abc"),
        ('"{\\"k\\": 1}"', '{"k": 1}'),
        ("false", False),
        ("[]", []),
        ("[1, 2]", [1, 2]),
        ("5", 5),
        ("0", 0),
    ],
)
def test_a_json_string_of_any_value_is_read(conf: str, stored: object) -> None:
    """Airflow 1.10 keeps it as it is; whether this Airflow does is told once the DAG is known."""
    assert trigger(conf=conf).conf == stored
    assert trigger(conf=conf).conf_error is None


def test_a_trigger_without_a_date_can_move() -> None:
    """First to its own moment, then to others of the second that is now; a run_id that was given stays."""
    later = NOW + timedelta(seconds=3)
    for made in (trigger(), trigger(run_id="r")):
        first = made.moved(later)
        assert first.execution_date == NOW
        assert first.run_id == ("r" if made.id_given else f"manual__{NOW.isoformat()}")
        moved = {first.moved(later).execution_date for _ in range(50)}
        assert len(moved) > 1
        assert all(later.replace(microsecond=0) <= date <= later for date in moved)


@pytest.mark.parametrize(
    "fields", [{"execution_date": DATE}, {"execution_date": "now"}, {"replace_microseconds": True}]
)
def test_a_date_that_matters_to_its_caller_cannot_move(fields: dict[str, object]) -> None:
    """Who names a date, or asks for the old rule, is told when it is taken."""
    assert trigger(**fields).moment is None


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_conf_with_no_number_is_told_after_the_dag(number: str) -> None:
    """Python's json.dumps writes it; the message names the key, once the DAG and the run_id are known."""
    for conf in (f'{{"a": [{number}]}}', json.dumps(f'{{"a": [{number}]}}')):
        made = parse_trigger(f'{{"run_id": "r", "conf": {conf}}}'.encode(), UTC, NOW)
        assert made.run_id == "r"
        assert made.conf_error is not None
        assert "a[0]`" in made.conf_error.message


def test_unknown_fields_of_a_trigger_are_ignored() -> None:
    """Other keys neither fail nor matter."""
    assert trigger(run_id="extra", state="failed", dag_id="x", foo=1).run_id == "extra"


def test_pool_of_the_cli() -> None:
    """Airflow's command line sends the number of slots as text."""
    assert pool(name="cli_p", slots="5", description="my pool") == PoolRequest("cli_p", 5, "my pool")


@pytest.mark.parametrize(
    ("slots", "number"),
    [(8, 8), ("8", 8), (" 9 ", 9), ("-1", -1), (-1, -1), (0, 0), (8.0, 8), (2**31 - 1, 2**31 - 1)],
)
def test_slots_are_whole_numbers(slots: object, number: int) -> None:
    """Numbers and numeric strings from -1 to the column's limit."""
    assert pool(slots=slots).slots == number


@pytest.mark.parametrize(
    ("slots", "message"),
    [
        ("abc", "Bad value for `slots`: abc"),
        ("1.5", "Bad value for `slots`: 1.5"),
        ("", "Bad value for `slots`: "),
        (1.9, "Bad value for `slots`: 1.9"),
        (None, "Bad value for `slots`: null"),
        (True, "Bad value for `slots`: true"),
        ([], "Bad value for `slots`: []"),
        ({}, "Bad value for `slots`: {}"),
        ("1_0", "Bad value for `slots`: 1_0"),
        ("\uff10", "Bad value for `slots`: \uff10"),
        ("9" * 5000, "Bad value for `slots`: " + "9" * 50),
        (-5, "`slots` must be between -1 and 2147483647"),
        (2**31, "`slots` must be between -1 and 2147483647"),
        ("2147483648", "`slots` must be between -1 and 2147483647"),
        (10**30, "`slots` must be between -1 and 2147483647"),
        (1e300, "`slots` must be between -1 and 2147483647"),
    ],
)
def test_other_slots_are_a_400(slots: object, message: str) -> None:
    """Not a whole number, in Airflow's words; out of range, in ours."""
    with pytest.raises(BadRequest) as caught:
        pool(slots=slots)
    assert caught.value.message == message


@pytest.mark.parametrize("name", ["", " ", "\t", None, 0, False, [], {}])
def test_a_blank_pool_name_is_a_400(name: object) -> None:
    """Falsy and blank names, in Airflow's words."""
    with pytest.raises(BadRequest) as caught:
        pool(name=name)
    assert caught.value.message == "Pool name shouldn't be empty"


@pytest.mark.parametrize("name", ["n" * 50, "ż" * 50, "basen ☃😀", "a/b", " sp ", "100%", "o'clock"])
def test_pool_names_are_kept_as_sent(name: str) -> None:
    """Spaces around stay, and the limit counts characters."""
    assert pool(name=name).name == name


@pytest.mark.parametrize("name", ["n" * 51, 5, True, ["a"]])
def test_other_pool_names_are_a_400(name: object) -> None:
    """Too long for the column, or not a string."""
    with pytest.raises(BadRequest, match="`name` must be"):
        pool(name=name)


@pytest.mark.parametrize("description", [5, 1.5, True, [1], {"a": 1}])
def test_a_description_is_text_or_null(description: object) -> None:
    """Anything else is refused; null and the empty string differ."""
    with pytest.raises(BadRequest, match="`description` must be a string or null"):
        pool(description=description)
    assert pool(description=None).description is None
    assert pool(description="").description == ""


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"slots": 1, "description": "d"}', "field `name` is missing"),
        (b'{"name": "p", "description": "d"}', "field `slots` is missing"),
        (b'{"name": "p", "slots": 1}', "field `description` is missing"),
        (b'{"name": "p", "slots": 1, "description": "d", "session": 1}', "unknown field `session`"),
        (b'{"pool": "p", "slots": 1, "description": "d"}', "field `name` is missing; unknown field `pool`"),
    ],
)
def test_a_pool_has_exactly_three_fields(body: bytes, words: str) -> None:
    """Missing and unknown fields are named."""
    with pytest.raises(BadRequest, match=words):
        parse_pool(body, 50)


def test_names_in_paths() -> None:
    """Blank pool names, NUL and lone surrogates are 400; everything else is looked up, however long."""
    assert parse_pool_name("n" * 300) == "n" * 300
    assert check_id("żółć \ufffd") == "żółć \ufffd"
    for text in (" ", "\t", ""):
        with pytest.raises(BadRequest, match="Pool name shouldn't be empty"):
            parse_pool_name(text)
    for parse in (parse_pool_name, check_id):
        with pytest.raises(BadRequest, match="NUL"):
            parse("a\0b")
        with pytest.raises(BadRequest, match="Unicode"):
            parse("a\udcff")


@pytest.mark.parametrize("word", ["True", "TRUE", "1", "yes", "banana", " true", "true ", "null", "\0", "\ufffd", ""])
def test_only_true_and_false_pause(word: str) -> None:
    """Airflow took every other word for false; here it is a 400."""
    with pytest.raises(BadRequest, match="exactly true or false"):
        parse_pause(word)
    assert parse_pause("true") is True
    assert parse_pause("false") is False


@pytest.mark.parametrize(
    "body", [b"{}", b'{"is_paused": "true"}', b'{"is_paused": null}', b'{"is_paused": true, "x": 1}']
)
def test_a_dag_patch_is_exactly_is_paused(body: bytes) -> None:
    """Nothing else can be changed, and the message shows the two right bodies."""
    with pytest.raises(BadRequest, match=r'must be \{"is_paused": true\} or'):
        parse_dag_patch(body)
    assert parse_dag_patch(b'{"is_paused": true}') is True
    assert parse_dag_patch(b'{"is_paused": false}') is False
