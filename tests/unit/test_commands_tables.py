"""Tables of the command line."""

import json

import click
import pytest
from click.testing import CliRunner

from windsock.cli import Sections
from windsock.commands.base import Failure, echo, say
from windsock.commands.tables import show
from windsock.text import count

COLUMNS_OF_DAGS = ("dag_id", "is_paused", "is_active", "owners", "schedule_interval", "next_dagrun")
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


def test_a_narrow_table_of_dags_shows_the_next_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the schedule: who owns a DAG matters less. Nothing is cut that has room when other columns are left out."""
    monkeypatch.setenv("COLUMNS", "80")
    row = {"is_paused": False, "is_active": True, "owners": "airflow", "schedule_interval": '"0 0 * * *"'}
    for dag_id, columns in (
        ("daily_sales", ["dag_id", "is_paused", "owners", "schedule_interval", "next_dagrun"]),
        ("sales_of_other_shops", ["dag_id", "is_paused", "schedule_interval", "next_dagrun"]),
        ("sales_of_each_shop_in_the_country", ["dag_id", "is_paused", "next_dagrun"]),
    ):
        show([{**row, "dag_id": dag_id, "next_dagrun": "2026-11-30T00:00:00+00:00"}], COLUMNS_OF_DAGS, "table")
        assert capsys.readouterr().out.splitlines()[0].split() == columns


def test_plain_columns_are_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs read them."""
    assert written(capsys, "dag_id", "description", "id", output="plain")[1].split()[-1] == "7"


def test_nothing_steers_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever names things writes no sequences into a terminal, in any form; JSON says the same thing as before."""
    name = "a\x1b[31m\x9b1m\ud800\U000e0001 ü"
    show([{"name": name}], ("name",), "json")
    text = capsys.readouterr().out
    assert json.loads(text) == [{"name": name}]
    say(name)
    echo(name)
    Failure(f"one\n  {name}").show()
    told = capsys.readouterr()
    for part in (text, told.out, told.err):
        assert part.replace("\n", "").isprintable()
        assert "ü" in part
    assert told.err.count("\n") == 3


def test_ctrl_c_has_its_own_status() -> None:
    """Of any command, as the help says."""

    @click.command()
    def command() -> None:
        raise KeyboardInterrupt

    done = CliRunner().invoke(Sections("program", commands=[command]), ["command"])
    assert (done.exit_code, done.output.strip()) == (130, "Error: interrupted")


def test_one_thing_is_one() -> None:
    """Plurals are for others."""
    assert [count(number, "file") for number in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
    assert [count(seconds, "second") for seconds in (0.5, 1.0, 10**7)] == [
        "0.5 seconds",
        "1 second",
        "10000000 seconds",
    ]
