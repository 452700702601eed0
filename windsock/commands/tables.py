"""Prints rows on stdout: a table for people, JSON and YAML for programs, plain columns for shell scripts."""

from collections.abc import Callable, Mapping, Sequence
from shutil import get_terminal_size
from typing import TypeVar

import click

from windsock.text import printable

Function = TypeVar("Function", bound=Callable[..., object])
Row = Mapping[str, object]

FORMATS = ("table", "json", "yaml", "plain")
_COLOURS = {"success": "green", "running": "cyan", "failed": "red", "upstream_failed": "red", "queued": "yellow"}
# The columns that may be cut if a table is too wide; the least characters that stay; the columns that always stay.
_TEXTS = frozenset({"description", "downstream_task_ids", "error", "operator", "owners", "schedule_interval", "value"})
_LEAST, _KEPT = 12, 2
# The first columns that are left out, in this order; then those at the right end are.
_FIRST_TO_GO = ("is_active", "owners", "schedule_interval")
_TYPES = "table: for people; json, yaml: everything; plain: columns without lines or colours."


def output_option(function: Function) -> Function:
    """Add `-o`."""
    return _option("table")(function)


def optional_output_option(function: Function) -> Function:
    """Add `-o` to a command that prints plain text without it."""
    return _option(None)(function)


def _option(default: str | None) -> Callable[[Function], Function]:
    shown = default or False
    return click.option("-o", "--output", type=click.Choice(FORMATS), default=default, show_default=shown, help=_TYPES)


def show(rows: Sequence[Row], columns: Sequence[str], output: str) -> None:
    """Print the rows: in tables only `columns`, in this order; in JSON and YAML all of them.

    A table is at most as wide as the terminal, or 80 columns: long texts are cut, and columns are left out, most
    of them at its right end.
    """
    if output == "json":
        import json  # noqa: PLC0415 - each format imports its own

        text = json.dumps(rows, indent=2, ensure_ascii=False)
        if not text.replace("\n", "").isprintable():
            # Only strings can have such characters, and JSON has escapes for them.
            text = "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
        click.echo(text)
    elif output == "yaml":
        import yaml  # noqa: PLC0415 - likewise

        click.echo(yaml.safe_dump(list(rows), sort_keys=False, allow_unicode=True, width=1000), nl=False)
    else:
        cells = {name: [name, *(_cell(row.get(name)) for row in rows)] for name in columns}
        if output == "table":
            cells = _fit(cells, get_terminal_size().columns)
        _show_columns(cells, lines=output == "table")


def _fit(cells: Mapping[str, list[str]], limit: int) -> dict[str, list[str]]:
    """Leave out columns, and cut long texts in the others, until the lines have at most `limit` characters."""
    cells = dict(cells)
    while len(cells) > _KEPT and _total(cells, cut=True) > limit:
        del cells[next((name for name in _FIRST_TO_GO if name in cells), [*cells][-1])]
    for name in reversed([name for name in cells if name in _TEXTS]):
        own = max(map(_width, cells[name]))
        room = max(_LEAST, own - max(0, _total(cells) - limit))
        cells[name] = [_cut(cell, room) for cell in cells[name]]
    return cells


def _total(cells: Mapping[str, list[str]], *, cut: bool = False) -> int:
    """Return how wide the lines are, or with `cut` how wide they are at least."""
    widths = {name: max(map(_width, column)) for name, column in cells.items()}
    least = [min(width, _LEAST) if cut and name in _TEXTS else width for name, width in widths.items()]
    return sum(least) + 2 * (len(cells) - 1)


def _cut(cell: str, room: int) -> str:
    if _width(cell) <= room:
        return cell
    # Cut roughly first: the loop below would take long for a long text.
    cell = cell[: 4 * room]
    while _width(cell) > room - 3:
        cell = cell[:-1]
    return f"{cell}..."


def _show_columns(cells: Mapping[str, list[str]], *, lines: bool) -> None:
    columns = list(cells)
    widths = [max(map(_width, column)) for column in cells.values()]
    head, *rows = zip(*cells.values(), strict=True)
    click.echo(_line(head, widths))
    if lines:
        click.echo(_line(["-" * width for width in widths], widths))
    for row in rows:
        click.echo(_line(row, widths, coloured=lines, columns=columns))


def _line(row: Sequence[str], widths: Sequence[int], *, coloured: bool = False, columns: Sequence[str] = ()) -> str:
    padded = [cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
    if padded:
        padded[-1] = row[-1]
    if coloured:
        # click drops colours if stdout is not a terminal.
        padded = [_colour(cell) if name == "state" else cell for name, cell in zip(columns, padded, strict=True)]
    return "  ".join(padded)


def _colour(cell: str) -> str:
    from os import environ  # noqa: PLC0415 - only for tables with states

    colour = None if environ.get("NO_COLOR") else _COLOURS.get(cell.strip())
    return click.style(cell, fg=colour) if colour else cell


def _cell(value: object) -> str:
    """Show a value on one line, with control characters escaped."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    return printable(str(value))


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width  # noqa: PLC0415 - for the few that need it

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
