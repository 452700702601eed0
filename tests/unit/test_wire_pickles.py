"""Pickled columns: written as Airflow writes them, read without running anything."""

import contextlib
import os
import pickle
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.database.generations import AIRFLOW_1, AIRFLOW_2
from server.wire.pickles import UnsafePickleError, is_cheap, is_linear, load_conf, show_pickle
from tests.hostile import pickled_laughs


def test_conf_is_written_byte_for_byte_as_airflow_does() -> None:
    """Protocol 4 for 1.10 (its Pythons read no other), 5 for 2.x, where no conf is an empty dict."""
    assert AIRFLOW_1.write_conf({"key": "value"}) == bytes.fromhex(
        "80049512000000000000007d948c036b6579948c0576616c756594732e"
    )
    assert AIRFLOW_1.write_conf(None) is None
    assert AIRFLOW_1.write_conf({}) == bytes.fromhex("80047d942e")
    assert AIRFLOW_2.write_conf(None) == bytes.fromhex("80057d942e")


PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary()),
    lambda inner: st.one_of(
        st.lists(inner),
        st.dictionaries(st.text(), inner),
        st.tuples(inner, inner),
        st.frozensets(st.integers()),
    ),
    max_leaves=10,
)


@given(PLAIN, st.sampled_from([4, 5]))
def test_plain_values_come_back(value: object, protocol: int) -> None:
    """Scalars and builtin containers of any protocol that Airflow's Pythons write."""
    assert load_conf(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_of_a_dict_is_read(protocol: int) -> None:
    """Also those of Python 2."""
    conf = {"a": [1, 2.5, None, True, "ż", 2**80], "b": {"c": ()}}
    assert load_conf(pickle.dumps(conf, protocol)) == conf


class Foreign:
    """Stands for whatever a DAG's author put into executor_config; unpickling it would run a command."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Say how to make it again."""
        return os.system, ("touch /tmp/windsock-was-here",)


@pytest.mark.parametrize("protocol", range(6))
def test_foreign_objects_are_never_made(protocol: int) -> None:
    """A pickle that imports or calls is refused before anything happens."""
    with pytest.raises(UnsafePickleError, match="a pickle with"):
        load_conf(pickle.dumps({"KubernetesExecutor": Foreign()}, protocol))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b'{"a": 1}',
        b"\x80\x04",
        b"\x80\x05}\x94",
        b"\x80\x03}r\xff\xff\xff\x7f.",
        b"(lp99999999999\n.",
        b"cos\nsystem\n.",
    ],
)
def test_what_is_no_pickle_is_refused(data: bytes) -> None:
    """Cut off, no pickle at all, or asking for gigabytes of memo: one error."""
    with pytest.raises(UnsafePickleError):
        load_conf(data)


@given(st.one_of(st.binary(max_size=40), PLAIN.map(pickle.dumps)), st.integers(0, 60), st.binary(max_size=2))
def test_any_bytes_are_read_or_refused(data: bytes, at: int, change: bytes) -> None:
    """Damaged pickles raise nothing else."""
    damaged = data[:at] + change + data[at + len(change) :]
    with contextlib.suppress(UnsafePickleError):
        load_conf(damaged)


# Each operation that is let through, with an argument; numbers and texts to work on come more often.
_VALUES = (
    b"N", b"K\x01", b"K\x02", b"K\x03", b"I01\n", b"I7\n", b"L9L\n", b"\x8a\x01\x05", b"F1.5\n", b"G?\xf0\0\0\0\0\0\0",
    b"Va\n", b"S'a'\n", b"U\x01a", b"\x8c\x01a", b"\x8c\x01b", b"C\x01a", b"\x96\x01\0\0\0\0\0\0\0a", b"\x88", b"\x89",
)  # fmt: skip
_OPERATIONS = (
    *_VALUES, *(bytes([code]) for code in b"(012)t\x85\x86\x87]lae}dsu\x8f\x90\x91\x94"), b"p0\n", b"q\x00", b"q\x01",
    b"g0\n", b"h\x00", b"h\x01",
)  # fmt: skip


@given(st.lists(st.sampled_from(_OPERATIONS), max_size=12), st.sampled_from([b"", b"\x80\x02", b"\x80\x04"]))
@settings(max_examples=500)
def test_any_operations_are_read_or_refused(operations: list[bytes], begin: bytes) -> None:
    """Each on whatever values there are: what does not fit raises nothing else."""
    data = begin + b"".join(operations) + b"."
    with contextlib.suppress(UnsafePickleError):
        load_conf(data)
    assert show_pickle(data)


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (pickle.dumps({"queue": "x"}), "{'queue': 'x'}"),
        (pickle.dumps({"f": Fraction(1)}), "(a pickle with STACK_GLOBAL)"),
        (b"junk", "(not a pickle of plain values)"),
        (b"K\x01K\x02a.", "(not a pickle of plain values)"),
        (b"K\x01(K\x02\x90.", "(not a pickle of plain values)"),
        (pickle.dumps("\ud800"), "\\ud800"),
        (pickle.dumps(["\udfff"]), "['\\udfff']"),
        (pickle.dumps("x" * 2**18), "x" * 2**18),
        (pickle.dumps("x" * 2**18 + "x"), "(a pickle of too much)"),
        (pickle.dumps(10**4000), "1" + "0" * 4000),
        (pickle.dumps(10**5000), "(a pickle with a number of more than 4,300 digits)"),
        (b"\x80\x04" + b"]" * 3000 + b"a" * 2999 + b".", "(a pickle nested deeper than 100)"),
        (b"\x80\x04]\x94h\x00a.", "(a pickle nested deeper than 100)"),
        (pickled_laughs(7), "(a pickle of too much)"),
        (pickled_laughs(2, width=3), "[['x', 'x', 'x'], ['x', 'x', 'x'], ['x', 'x', 'x']]"),
    ],
)
def test_a_pickle_is_shown_or_explained(data: bytes, shown: str) -> None:
    """Plain values as Python prints them; what is foreign or means too much is named, not made."""
    assert show_pickle(data) == shown


def test_what_is_surely_cheap() -> None:
    """What uses nothing twice and is short is read where it is; what was JSON once takes time by its length alone."""
    conf = {"a": [1, 2.5, None, True, "ż", 2**80], "b": {"a": "a"}}
    assert is_cheap(pickle.dumps({"queue": "x", "n": [1, 2]}))
    assert not is_cheap(pickle.dumps("x" * 5000))
    assert not is_cheap(pickled_laughs(7))
    assert is_linear(pickle.dumps({**conf, "many": [str(n) for n in range(10**5)]}))
    assert not is_linear(pickle.dumps(dict.fromkeys([(n,) for n in range(3)])))
    assert not is_linear(pickle.dumps({n * (2**61 - 1): None for n in range(5000)}))
