from contextlib import suppress

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from server.wire.document import LARGEST, MAX_BYTES, MAX_DEPTH, MAX_NODES, SMALLEST, DocumentError, read_document

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(SMALLEST, LARGEST)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def problem(raw: bytes) -> tuple[int | None, str]:
    """Return the line and text of the one problem that this YAML has."""
    with pytest.raises(DocumentError) as caught:
        read_document(raw)
    (only,) = caught.value.problems
    return only.line, only.text


@given(VALUES)
def test_reads_what_yaml_writes(value: object) -> None:
    """Whatever PyYAML writes of JSON's types comes back as it was."""
    assert read_document(yaml.safe_dump(value).encode()).data == value


@given(st.binary(max_size=200))
def test_bytes_are_data_or_a_problem(raw: bytes) -> None:
    """No bytes make anything but a document or a DocumentError."""
    with suppress(DocumentError):
        read_document(raw)


@given(st.text(alphabet="[]{}:,-&*!<|>'\"#%@ \n01aéx=?~.", max_size=80))
def test_text_that_looks_like_yaml_is_data_or_a_problem(text: str) -> None:
    """The same for text that is made of YAML's own characters."""
    with suppress(DocumentError):
        read_document(text.encode())


def test_every_key_has_its_line() -> None:
    """A path leads to the line where its key stands, list items included."""
    document = read_document(b"a:\n  b: 1\n  c:\n  - x\n  - y: 2\n")
    assert [document.line(path) for path in [("a",), ("a", "c"), ("a", "c", 1), ("a", "c", 1, "y")]] == [1, 3, 5, 5]


def test_line_falls_back_to_another_path_then_to_an_ancestor() -> None:
    """Where the first path does not exist, the next one counts; where none does, the ancestor of the first."""
    document = read_document(b"default:\n  owner: me\none:\n  tasks: {}\n")
    assert document.line(("one", "owner"), ("default", "owner")) == 2
    assert document.line(("one", "missing"), ("default", "missing")) == 3


def test_empty_text_is_no_dag() -> None:
    """An empty file, or one of comments, defines nothing."""
    assert read_document(b"# nothing\n").data == {}


def test_merge_keys_work_and_own_keys_win() -> None:
    """`<<` copies a mapping's keys; what is written beside it wins, in whatever order."""
    assert read_document(b"a: &a {x: 1, y: 2}\nb:\n  y: 3\n  <<: *a\n").data["b"] == {"x": 1, "y": 3}
    assert read_document(b"a: &a {x: 1}\nb: &b {x: 2}\nc: {<<: [*a, *b]}\n").data["c"] == {"x": 1}


@pytest.mark.parametrize(
    ("raw", "line", "words"),
    [
        (b"a: 1\na: 2\n", 2, "'a' appears twice"),
        (b"a: [1\n", 2, "not valid YAML"),
        (b"a:\n  b: 1\n\tc: 2\n", 3, "there is a tab, where YAML allows only spaces"),
        (b"a:\n\t- b\n", 2, "there is a tab, where YAML allows only spaces"),
        (b"a: 1\nb: *nowhere\n", 2, "undefined alias"),
        (b"--- 1\n--- 2\n", 2, "another document"),
        (b"a: !!python/object/apply:os.system [id]\n", 1, "tag"),
        (b"a: !join [a, b]\n", 1, "tag"),
        (b"a: !!binary aGk=\n", 1, "tag"),
        (b"a: !!set {x, y}\n", 1, "tag"),
        (b"a: !!int x\n", 1, "cannot read"),
        (b"a: !!timestamp x\n", 1, "cannot read"),
        (b"1: x\n", 1, "in quotes"),
        (b"on: x\n", 1, "put on in quotes"),
        (b"{[a]: b}\n", 1, "in quotes"),
        (b"a: .nan\n", 1, "JSON"),
        (b"\n\na: -.inf\n", 3, "JSON"),
        (b'a: "\\0"\n', 1, "NUL"),
        (b'a: "\\uD800"\n', 1, "Unicode"),
        (b"a: b\n\xff\n", 2, "UTF-8"),
        (b"a:\n\x00\n", 2, "not allowed"),
        (b"a: 2020-99-01\n", 1, "cannot read"),
        (
            b"d:\n  default_args:\n    start_date: 2024-02-30\n",
            3,
            "`d.default_args.start_date`: cannot read '2024-02-30'",
        ),
        (b"d:\n  start_date: 0000-01-01\n", 2, "`d.start_date`: cannot read '0000-01-01' as a date"),
        (b"d: [1, {x: .nan}]\n", 1, "`d.1.x`: '.nan' is not a number"),
        (b"a: " + b"9" * 5000, 1, "at most 100 characters"),
        (b"a: 0x" + b"f" * 5000, 1, "at most 100 characters"),
        (b"a: 0b" + b"1" * 5000, 1, "at most 100 characters"),
        (b"a: 0" + b"7" * 5000, 1, "at most 100 characters"),
        (b"a: 1" + b":1" * 50_000, 1, "at most 100 characters"),
        (b"a: 1" + b":1" * 50_000 + b".5", 1, "at most 100 characters"),
        (b"a: 18446744073709551616", 1, "64 bits"),
        (b"a: &a\n  <<: *a\n", 1, "without end"),
        (b"a: &a\n  <<: [{b: 1}, *a]\n", 1, "without end"),
        (b"a: &a {b: {<<: *a}}\n", 1, "without end"),
        (b"<<: 3\n", 1, "merged"),
    ],
)
def test_refuses_with_the_line(raw: bytes, line: int, words: str) -> None:
    """What cannot be stored as it was meant is refused, at its line."""
    found, text = problem(raw)
    assert found == line
    assert words in text


def test_size_is_bounded() -> None:
    """A file above the limit is not parsed at all."""
    assert "larger" in problem(b"#" * (MAX_BYTES + 1))[1]
    assert read_document(b"#" * MAX_BYTES).data == {}


def test_depth_is_bounded() -> None:
    """Nesting is refused at the limit, also where libyaml has one of its own or a parser would run out of stack."""
    assert read_document(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH).data
    for depth in (MAX_DEPTH + 1, 500_000):
        assert "nest" in problem(b"[" * depth)[1]


def test_merges_are_bounded_in_depth() -> None:
    """What a mapping merges may merge others, but only so deep."""
    chain = b"a0: &a0 {x: 1}\n" + b"".join(b"a%d: &a%d {<<: *a%d}\n" % (n, n, n - 1) for n in range(1, 300))
    assert "nested deeper" in problem(chain)[1]


def test_an_alias_of_itself_is_refused() -> None:
    """A structure without end is refused."""
    assert "nested" in problem(b"a: &a [*a]\n")[1]


@pytest.mark.parametrize(
    ("first", "pattern"),
    [(b"a0: &a0 [x, x]\n", "a{0}: &a{0} [{1}]\n"), (b"a0: &a0 {k: x}\n", "a{0}: &a{0} {{<<: [{1}]}}\n")],
)
def test_aliases_cannot_multiply(first: bytes, pattern: str) -> None:
    """A billion laughs, by lists or by merge keys, is refused before it grows."""
    rest = "".join(pattern.format(step, ", ".join([f"*a{step - 1}"] * 9)) for step in range(1, 12))
    assert str(MAX_NODES) in problem(first + rest.encode())[1]


def test_all_keys_that_are_wrong_by_themselves_are_reported() -> None:
    """What stands beside them is read all the same."""
    with pytest.raises(DocumentError) as caught:
        read_document(b"a: 1\non: 2\nb:\n  c: 1\n  c: 2\n  d: !x 3\n<<: 4\ne: 5\n")
    assert [line for line, _ in caught.value.problems] == [7, 2, 5, 6]
    assert caught.value.rest is not None
    assert caught.value.rest.data == {"a": 1, "b": {"c": 1, "d": None}, "e": 5}


def test_the_number_of_mistakes_is_bounded() -> None:
    """A file full of mistakes has a short report."""
    with pytest.raises(DocumentError) as caught:
        read_document(b"1: x\n" * 40_000)
    assert len(caught.value.problems) == 101
