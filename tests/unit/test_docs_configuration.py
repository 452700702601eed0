"""docs/configuration.md and the table of options say the same."""

import re
from pathlib import Path

from windsock.config.options import OPTIONS, Option

DOCS = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
OPTION_ROW = re.compile(r"^\| `\[.*$", re.MULTILINE)


def row(option: Option) -> str:
    """Return the line that the docs should have for an option."""
    keys = "<br>".join(f"`[{section}] {key}`" for section, key in option.keys)
    names = "<br>".join(f"`AIRFLOW__{section.upper()}__{key.upper()}`" for section, key in option.keys)
    default = f"`{option.default}`" if option.default else "none"
    return f"| {keys} | {names} | {default} | {option.doc} |"


def test_every_option_is_documented() -> None:
    """Each option has its row: keys in their order, variables, default and meaning."""
    expected = {name: row(option) for name, option in OPTIONS.items()}
    rows = OPTION_ROW.findall(DOCS)
    assert {name: line for name, line in expected.items() if line not in rows} == {}


def test_no_other_option_is_documented() -> None:
    """What the docs list exists, once."""
    rows = OPTION_ROW.findall(DOCS)
    assert sorted(rows) == sorted(row(option) for option in OPTIONS.values())


def test_names_of_each_airflow() -> None:
    """The table of generations has every key of Airflow that is read, and none that is not."""
    table = DOCS.partition("## The names of each Airflow")[2]
    named = set(re.findall(r"`\[(\w+)\] (\w+)`", table))
    read = {pair for option in OPTIONS.values() for pair in option.keys}
    assert {pair for pair in read if pair[0] != "windsock"} == {pair for pair in named if pair[0] != "windsock"}
    assert named <= read


def test_programs_are_named() -> None:
    """The docs say which options a program may print."""
    sentence = DOCS.partition("**Programs.**")[2].partition("may be printed by a program")[0]
    printed = {option.keys[0][1] for option in OPTIONS.values() if option.sensitive}
    assert set(re.findall(r"`(\w+)`", sentence)) == printed
