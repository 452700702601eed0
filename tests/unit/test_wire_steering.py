"""Bodies that mark runs and tasks, or clear them: strict, bounded, and with words that help."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import BadRequest
from server.wire import Clear, clear_fields, parse_clear, parse_mark
from server.wire.steering import MAX_TASK_IDS

CHOICES = '"failed" or "success"'
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def clear(**fields: object) -> Clear:
    """Parse a body of these fields."""
    return parse_clear(json.dumps(fields).encode())


@pytest.mark.parametrize("state", ["failed", "success"])
def test_marks(state: str) -> None:
    """The state."""
    assert parse_mark(json.dumps({"state": state}).encode()) == state


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is empty"),
        (b"[]", "a JSON object, not a list"),
        (b"{}", f"`state` is missing; it must be {CHOICES}"),
        (b'{"state": null}', f"`state` is null; it must be {CHOICES}"),
        (b'{"state": true}', "`state` is a boolean"),
        (b'{"state": "Failed"}', "`state` is 'Failed'"),
        (b'{"state": "queued"}', "`state` is 'queued'"),
        (json.dumps({"state": "x" * 9999}).encode(), f"'{'x' * 50}'; it"),
        (b'{"state": "a\\u0000"}', "NUL"),
        (b'{"state": "failed", "dry_run": true}', "has the unknown field 'dry_run'; the known ones are `state`"),
    ],
)
def test_bad_marks(body: bytes, words: str) -> None:
    """Each says what would be right."""
    with pytest.raises(BadRequest) as error:
        parse_mark(body)
    assert words in error.value.message
    assert len(error.value.message) < 300


def test_what_is_cleared() -> None:
    """By default what failed; a task that is named twice counts once."""
    assert clear() == Clear(only_failed=True, task_ids=None, downstream=False, dry_run=False)
    assert clear(task_ids=None, only_failed=False).task_ids is None
    assert clear(task_ids=["b", "a", "b"], downstream=True).task_ids == ("b", "a")


def test_what_the_log_says_of_it() -> None:
    """Airflow's names for it, and nothing that is as usual."""
    assert clear_fields(clear()) == {"only_failed": True}
    every = clear(only_failed=False, task_ids=["a"], downstream=True)
    assert clear_fields(every) == {"only_failed": False, "task_ids": ("a",), "include_downstream": True}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"only_failed": None}, "`only_failed` must be true or false, not null"),
        ({"only_failed": "false"}, "`only_failed` must be true or false, not a string"),
        ({"downstream": 1}, "`downstream` must be true or false, not a number"),
        ({"dry_run": []}, "`dry_run` must be true or false, not a list"),
        (
            {"dryrun": True},
            "unknown field 'dryrun'; the known ones are `downstream`, `dry_run`, `only_failed`, `task_ids`",
        ),
        ({"task_ids": "a"}, "`task_ids` must be a list of task_ids, not a string"),
        ({"task_ids": {"a": 1}}, "not an object"),
        ({"task_ids": []}, "leave it out to clear the tasks of the whole run"),
        ({"task_ids": [1]}, "must be a string, not a number"),
        ({"task_ids": ["a", None]}, "must be a string, not null"),
        ({"task_ids": ["x" * 251]}, "at most 250 characters"),
        ({"task_ids": ["a"] * (MAX_TASK_IDS + 1)}, f"at most {MAX_TASK_IDS} task_ids; it has {MAX_TASK_IDS + 1}"),
    ],
)
def test_bad_clears(fields: dict[str, object], words: str) -> None:
    """Each says what would be right: a text or a null is not taken for what its writer may have meant."""
    with pytest.raises(BadRequest) as error:
        clear(**fields)
    assert words in error.value.message


@given(JSON)
def test_nothing_else_is_raised(value: object) -> None:
    """Whatever JSON it is: a good value or a BadRequest."""
    body = json.dumps({"state": value, "only_failed": value, "task_ids": value}).encode()
    for parse in (parse_mark, parse_clear):
        try:
            parse(body)
        except BadRequest:
            continue
