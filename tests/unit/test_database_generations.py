"""Which Airflow made a database, and which lines of a statement its columns leave."""

import pytest

from server.database import statements
from server.database.generations import AIRFLOWS, RELEASES, generation_of
from server.errors import StartupError


@pytest.mark.parametrize(("revision", "release"), RELEASES.items())
def test_a_known_revision_tells_the_generation(revision: str, release: str) -> None:
    """The first figure of its release."""
    found = generation_of([revision], set(), allow_unknown=False)
    assert found is AIRFLOWS[int(release[0]) - 1]


@pytest.mark.parametrize("revisions", [[], ["cafe"], ["5f2621c13b39", "d2f4e1b3c5a7"]])
def test_anything_else_is_refused(revisions: list[str]) -> None:
    """None, one that is unknown, and several; the option cannot make up columns that are not there."""
    with pytest.raises(StartupError, match="allow_unknown_airflow = True"):
        generation_of(revisions, set(), allow_unknown=False)
    with pytest.raises(StartupError, match="no Airflow that Windsock can serve"):
        generation_of(revisions, set(), allow_unknown=True)


def test_lines_depend_on_columns() -> None:
    """`if` keeps a line where the column is, `unless` where it is not; other comments do nothing."""
    text = "SELECT a,  -- if t.a\n  b  -- unless t.a\n-- if only"
    assert statements.fit(text, {"t.a"}) == "SELECT a,  -- if t.a\n-- if only"
    assert statements.fit(text, set()) == "  b  -- unless t.a\n-- if only"
    assert statements.fit_all({"x": "a  -- if t.a"}, set()) == {}
