"""docs/cli.md has every command, every option and every exit status."""

import re
from collections.abc import Iterator
from inspect import signature
from pathlib import Path

import click
import pytest

from windsock.cli import main
from windsock.client import Client
from windsock.commands import base

FOLDER = Path(__file__).parents[2] / "docs"
CLI = (FOLDER / "cli.md").read_text(encoding="utf-8")
PYTHON = (FOLDER / "python-client.md").read_text(encoding="utf-8")
_EVERYWHERE = {"-h", "--help", "-v", "--verbose"}


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def _spellings(parameter: click.Parameter) -> tuple[str, ...]:
    return (*parameter.opts, *parameter.secondary_opts)


COMMANDS = dict(_commands(main))
SECTIONS = dict(re.findall(r"^### (.*?)\n(.*?)(?=^##|\Z)", CLI, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_with_its_options(name: str) -> None:
    """Its name is in a heading, below which each spelling of each option is found."""
    (heading,) = [heading for heading in SECTIONS if f"`{name}`" in heading]
    options = {
        spelling
        for parameter in COMMANDS[name].params
        if isinstance(parameter, click.Option)
        for spelling in _spellings(parameter)
    }
    assert {option for option in options - _EVERYWHERE if f"`{option}`" not in SECTIONS[heading]} == set()


def test_no_other_command_or_option_is_documented() -> None:
    """What the headings and tables name exists."""
    assert set(re.findall("`(.*?)`", " ".join(SECTIONS))) == set(COMMANDS)
    for heading, text in SECTIONS.items():
        commands = [COMMANDS[name] for name in re.findall("`(.*?)`", heading)]
        known = {spelling for command in commands for one in command.params for spelling in _spellings(one)}
        documented = set(re.findall(r"`(--?[a-z_-]+)`", text))
        assert documented <= known | {"--version", "--wait", "-"}, heading


def test_every_exit_status_is_documented() -> None:
    """The docs, the help and the code have the same ones."""
    table = CLI.partition("## Exit status")[2].partition("\n## ")[0]
    codes = {value for name, value in vars(base).items() if name.startswith("EXIT_") and isinstance(value, int)} | {
        0,
        2,
    }
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == codes
    assert {int(code) for code in re.findall(r"^  (\d+) ", base.EXIT_CODES, re.MULTILINE)} == codes


def test_every_method_is_documented() -> None:
    """docs/python-client.md names each method of a client with its arguments."""
    for name, method in vars(Client).items():
        if name.startswith("_") or not callable(method) or isinstance(method, type):
            continue
        arguments = [argument for argument in signature(method).parameters if argument != "self"]
        found = re.search(rf"`{name}\((.*?)\)`", PYTHON)
        assert found is not None, name
        assert re.findall(r"[a-z]\w+(?==|,|$)", re.sub(r"=(None|False)", "", found[1])) == arguments, name
