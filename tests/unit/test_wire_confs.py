"""The conf of a run as JSON, whatever somebody wrote into its column."""

import json
import pickle
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.database.decoder import Decoder
from server.wire.confs import MAX_CONF, ConfAsJson, conf_of_json, conf_of_pickle
from tests.hostile import nested_keys_pickle, pickled_laughs

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=10,
)


def canonical(value: object) -> str:
    """Write JSON as answers have it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).replace("\x7f", "\\u007f")


@given(JSON, st.sampled_from([0, 2, 4, 5]))
def test_what_was_json_is_the_same_json(value: object, protocol: int) -> None:
    """From a pickle, and from the text that a jsonb column has; numbers of any length stay exact."""
    assert bytes(conf_of_pickle(pickle.dumps(value, protocol)).json).decode() == canonical(value)
    assert bytes(conf_of_json(json.dumps(value).encode()).json).decode() == canonical(value)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (pickle.dumps({"a": float("nan")}), "JSON does not have"),
        (pickle.dumps({"a": b"bytes"}), "JSON does not have"),
        (pickle.dumps({"a": {1, 2}}), "JSON does not have"),
        (pickle.dumps({(1, 2): 3}), "JSON does not have"),
        (pickle.dumps({1: 2, "a": 3}), "JSON does not have"),
        (pickle.dumps(json.JSONDecodeError), "a pickle with STACK_GLOBAL"),
        (pickle.dumps("x" * (MAX_CONF + 1)), "too large"),
        (b"{}", "not a pickle"),
        (b"", "not a pickle"),
        (nested_keys_pickle(2000), "nested deeper|not a pickle"),
    ],
    ids=range(10),
)
def test_what_is_no_json_says_so(data: bytes, why: str) -> None:
    """Nothing is executed, and nothing is made up."""
    read = conf_of_pickle(data)
    assert bytes(read.json) == b"null"
    assert re.search(why, read.error or "")


@pytest.mark.parametrize("text", [b'{"a": 1e999}', b"[" * 100_000, b"9" * 5000, b'"\xff"', b"", b"{"])
def test_json_that_cannot_be_shown(text: bytes) -> None:
    """A number that would become another one is not shown."""
    assert conf_of_json(text) == ConfAsJson(error="it has values that JSON does not have")


async def test_a_large_conf_is_read_in_another_process() -> None:
    """A megabyte of either kind; a pickle of billions of values is given up."""
    decoder = Decoder(cron_intervals=True)
    try:
        value = {"text": "ż" * 300_000, "n": 10**40}
        for data, is_pickle in ((pickle.dumps(value, 4), True), (json.dumps(value).encode(), False)):
            read = await decoder.conf("d", data, is_pickle=is_pickle)
            assert (bytes(read.json).decode(), read.error) == (canonical(value), None)
        bomb = await decoder.conf("d", pickled_laughs(9), is_pickle=True)
        assert bytes(bomb.json) == b"null"
        assert bomb.error is not None
    finally:
        await decoder.close()


def test_a_conf_keeps_its_json_between_processes() -> None:
    """The decoder processes hand it over as it is."""
    conf = ConfAsJson(msgspec.Raw(b'{"a":1e2}'))
    assert msgspec.json.decode(msgspec.json.encode(conf), type=ConfAsJson) == conf
