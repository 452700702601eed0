"""The files of statements: what they share stands once, and is put in when they are loaded."""

import re
from collections import defaultdict
from importlib import resources

import pytest

from server.database import statements
from server.database.announcer import CHANNEL
from server.database.generations import AIRFLOWS, STANDALONE
from server.database.held_run import STEERED_CHANNEL

FOLDER = resources.files("server.database") / "sql"
FILES = {file.name: file.read_text("utf-8") for file in FOLDER.iterdir()}
HEAD = re.compile(r"^-- (?:name|fragment): (.+)$", re.MULTILINE)


def test_fragments_are_put_in() -> None:
    """With their arguments, one in another, and in the form of the last file that has them."""
    shared = "-- fragment: text(date, format)\n-- As a text.\nto_char({date}, {format})\n-- fragment: day\nbegun\n"
    named = "-- name: one\nSELECT {text(r.{day}, 'YYYY')} AS day, '{a,b}' AS path\n"
    later = "-- fragment: day\nended\n"
    assert statements.parse(shared, named) == {"one": "SELECT to_char(r.begun, 'YYYY') AS day, '{a,b}' AS path"}
    assert statements.parse(shared, named, later) == {"one": "SELECT to_char(r.ended, 'YYYY') AS day, '{a,b}' AS path"}


def test_conditions_of_a_fragment_hold() -> None:
    """Its lines stay lines."""
    text = "-- fragment: columns\na,  -- if t.a\nb\n-- name: one\nSELECT\n    {columns}\nFROM t"
    statement = statements.parse(text)["one"]
    assert statements.fit(statement, set()).split() == ["SELECT", "b", "FROM", "t"]
    assert "a," in statements.fit(statement, {"t.a"})


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT {nothing}",
        "SELECT {one}",
        "SELECT {one(a, b)}",
        "SELECT {one(f(a))}",
        "SELECT {commented} FROM t",
        "SELECT {long}  -- if t.a",
    ],
)
def test_what_cannot_be_put_in_is_refused(statement: str) -> None:
    """No such fragment, other arguments than it has, and lines that would change what a comment covers."""
    shared = "-- fragment: one(a)\n{a}\n-- fragment: commented\na,  -- if t.a\nb\n-- fragment: long\na,\nb\n"
    with pytest.raises(ValueError, match=r"fragment|argument"):
        statements.parse(shared, f"-- name: wrong\n{statement}\n")


def test_no_text_stands_twice() -> None:
    """Neither a statement nor a fragment says what another one says, in whatever file; a single column is no text."""
    named = defaultdict(list)
    for file, text in FILES.items():
        heads, bodies = HEAD.findall(text), HEAD.split(text)[2::2]
        for head, body in zip(heads, bodies, strict=True):
            named[re.sub(r"--.*|[\s;]+", " ", body).strip()].append(f"{file}: {head}")
    assert [names for text, names in named.items() if len(names) > 1 and " " in text] == []


@pytest.mark.parametrize(("word", "file"), [("to_char(", "fragments.sql"), ("convert_to(", "fragments.sql")])
def test_texts_are_made_by_one_fragment(word: str, file: str) -> None:
    """A date's, and the percent-encoded one of an id."""
    assert {name: text.count(word) for name, text in FILES.items() if word in text} == {file: 1}


def test_a_channel_has_one_name() -> None:
    """The schema, which no release can change, names the channels on which the schedulers listen; no statement does."""
    schema = (resources.files("server") / "schema.sql").read_text("utf-8")
    assert set(re.findall(r"pg_notify\('(\w+)'", schema)) == {CHANNEL, STEERED_CHANNEL}
    assert [name for name, text in FILES.items() if CHANNEL in text or STEERED_CHANNEL in text] == []


def test_every_file_is_used() -> None:
    """Every generation's files are there, and its statements have no fragment left."""
    for generation in (*AIRFLOWS, STANDALONE):
        for name, text in statements.load(*generation.files).items():
            assert not re.search(r"\{\w+[({}]", text), name
