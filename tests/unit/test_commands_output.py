"""Tables of the command line."""

import pytest

from server.commands.output import show
from server.words import count

ROW = {"pool": "p" * 30, "slots": 5, "description": "long " * 40, "dag_id": "d" * 70, "state": "success", "id": 7}


def written(capsys: pytest.CaptureFixture[str], *columns: str, output: str = "table") -> list[str]:
    """The lines of a table of one row."""
    show([ROW], columns, output)
    return capsys.readouterr().out.splitlines()


def test_a_table_fits(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Into 80 columns, or those of the terminal: texts are cut, then columns left out; ids never."""
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = written(capsys, "pool", "slots", "description")
    assert {len(line) <= 80 for line in lines} == {True}
    assert lines[2].endswith("...")
    assert lines[2].startswith("p" * 30)
    assert written(capsys, "dag_id", "state", "id")[0].split() == ["dag_id", "state"]
    assert "d" * 70 in written(capsys, "dag_id", "description")[2]
    monkeypatch.setenv("COLUMNS", "300")
    assert written(capsys, "pool", "slots", "description")[2].endswith("long ")


def test_plain_columns_are_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs read them."""
    assert written(capsys, "dag_id", "description", "id", output="plain")[1].split()[-1] == "7"


def test_one_thing_is_one() -> None:
    """Plurals are for others."""
    assert [count(number, "file") for number in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
    assert [count(seconds, "second") for seconds in (0.5, 1.0, 10**7)] == [
        "0.5 seconds",
        "1 second",
        "10000000 seconds",
    ]
