"""`.airflowignore`, in both of its syntaxes."""

import pytest

from server.standalone.dags.ignoring import ignored

FILES = ["/d/a.yaml", "/d/b.yaml", "/d/team/a.yaml", "/d/team/tests/x.yaml", "/d/team/keep.yaml"]


def left(syntax: str, **ignores: str) -> set[str]:
    """Return what is left of the files; `top` and `team` are the texts of the ignore files there."""
    places = {"top": "/d", "team": "/d/team"}
    out = ignored(FILES, "/d", {places[name]: text for name, text in ignores.items()}, syntax)
    return {file.removeprefix("/d/") for file in set(FILES) - set(out)}


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("team/tests", {"team/tests/x.yaml"}),
        ("^a", {"a.yaml"}),
        ("a\\.yaml$  # a comment\n# b", {"a.yaml", "team/a.yaml"}),
        ("/d/", set()),
        ("\n  \n(\nkeep", {"team/keep.yaml"}),
        (".*", {"a.yaml", "b.yaml", "team/a.yaml", "team/tests/x.yaml", "team/keep.yaml"}),
    ],
)
def test_expressions(text: str, gone: set[str]) -> None:
    """They are searched in the path below the DAGs folder; what is none counts for nothing."""
    assert left("regexp", top=text) == left("regexp", top="") - gone


def test_expressions_of_a_folder_count_there() -> None:
    """A file beside the folder is no concern of its ignore file."""
    assert left("regexp", team="a\\.yaml") == {"a.yaml", "b.yaml", "team/keep.yaml", "team/tests/x.yaml"}


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("a.yaml", {"a.yaml", "team/a.yaml"}),
        ("/a.yaml", {"a.yaml"}),
        ("tests/", {"team/tests/x.yaml"}),
        ("team/*\n!team/keep.yaml", {"team/a.yaml", "team/tests/x.yaml"}),
        ("# b.yaml\n\n*.yml", set()),
    ],
)
def test_globs(text: str, gone: set[str]) -> None:
    """They mean what they mean in a .gitignore."""
    assert left("glob", top=text) == left("glob", top="") - gone


def test_the_nearest_has_the_last_word() -> None:
    """A folder can take back what the folder above it ignores."""
    assert left("glob", top="team/", team="!keep.yaml") == {"a.yaml", "b.yaml", "team/keep.yaml"}
