"""Named SQL statements, read from the .sql files in the folder `sql`.

A file is a sequence of blocks, each with the head `-- name: the_name`. Comment lines below the head explain the
statement and stay with it. A statement in a later file replaces the one of the same name in an earlier file: this is
how one generation of Airflow differs from another. Minor releases differ in columns: a line that ends in
`-- if table.column` counts only if the database has that column, one with `-- unless table.column` only if it has not.
A statement with the line `-- only if table.column` exists only for databases with that column.

Text that statements share is a block with the head `-- fragment: the_name` or `-- fragment: the_name(one, another)`.
When the files are loaded, `{the_name}` or `{the_name(argument, other)}` becomes that text, with the arguments in place
of `{one}` and `{another}`. They are pieces of SQL from the same files, never values. A fragment may use others, and one
of a later file replaces the one of the same name in an earlier file, for all statements.
"""

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from importlib import resources
from typing import NamedTuple

_FOLDER = resources.files("server.database") / "sql"
_HEAD = re.compile(r"^-- (name|fragment): ([\w.]+)(?:\(([\w, ]+)\))?\s*$", re.MULTILINE)
_ONLY = re.compile(r"^-- only if (\w+\.\w+)\s*$", re.MULTILINE)
_CONDITION = re.compile(r"--\s*(if|unless) (\w+\.\w+)\s*$")
_USE = re.compile(r"\{(\w+)(?:\(([^(){}]+)\))?\}")
_LEFT = re.compile(r"\{\w+\(")
_EXPLANATION = re.compile(r"\A(?:\s*--.*\n?)+")


class Fragment(NamedTuple):
    """A text that statements share, with the names of its parameters."""

    text: str
    parameters: tuple[str, ...] = ()

    def filled(self, arguments: tuple[str, ...]) -> str:
        """Return the text with the arguments in place of the parameters; raises ValueError if they are too few."""
        given = {f"{{{name}}}": argument for name, argument in zip(self.parameters, arguments, strict=True)}
        return _USE.sub(lambda use: given.get(use[0], use[0]), self.text)


def load(*files: str) -> dict[str, str]:
    """Read the statements in `files` of the folder `sql`, as `parse` does."""
    return parse(*(_FOLDER.joinpath(file).read_text("utf-8") for file in files))


def parse(*texts: str) -> dict[str, str]:
    """Return `{name: statement}` in the order of the texts; a name that occurs again replaces the earlier statement.

    Raises ValueError if a statement uses a fragment that does not exist, or not as it is.
    """
    blocks = [block for text in texts for block in _blocks(text)]
    fragments = {name: fragment for kind, name, fragment in blocks if kind == "fragment"}
    return {name: _expand(statement.text, fragments) for kind, name, statement in blocks if kind == "name"}


def fit(statement: str, columns: AbstractSet[str]) -> str:
    """Leave out the lines of `statement` whose condition does not hold for `columns` (`table.column`), or all of it."""
    if not all(only[1] in columns for only in _ONLY.finditer(statement)):
        return ""
    return "\n".join(line for line in statement.splitlines() if _holds(line, columns))


def fit_all(statements: Mapping[str, str], columns: AbstractSet[str]) -> dict[str, str]:
    """Fit every statement; one that has no line left does not exist for this database."""
    fitted = {name: fit(statement, columns) for name, statement in statements.items()}
    return {name: statement for name, statement in fitted.items() if statement}


def _blocks(text: str) -> Iterator[tuple[str, str, Fragment]]:
    parts = _HEAD.split(text)[1:]
    for kind, name, parameters, body in zip(*(parts[n::4] for n in range(4)), strict=True):
        own = _EXPLANATION.sub("", body) if kind == "fragment" else body
        yield kind, name, Fragment(own.strip(), _split(parameters))


def _split(arguments: str | None) -> tuple[str, ...]:
    return tuple(argument.strip() for argument in arguments.split(",")) if arguments else ()


def _expand(text: str, fragments: Mapping[str, Fragment]) -> str:
    return "\n".join(_expand_line(line, fragments) for line in text.splitlines())


def _expand_line(line: str, fragments: Mapping[str, Fragment]) -> str:
    """Put in the fragments, the innermost first, because a fragment may be an argument of another."""
    while use := _USE.search(line):
        if use[1] not in fragments:
            raise ValueError(f"there is no fragment {use[0]}: {line}")
        text = _expand(fragments[use[1]].filled(_split(use[2])), fragments)
        if "\n" in text and ("--" in line or ("--" in text and line.strip() != use[0])):
            # What follows a comment would belong to it.
            raise ValueError(f"this fragment of several lines needs a line without anything else: {line}")
        line = f"{line[: use.start()]}{text}{line[use.end() :]}"
    if _LEFT.search(line):
        raise ValueError(f"an argument is a plain text, without parentheses: {line}")
    return line


def _holds(line: str, columns: AbstractSet[str]) -> bool:
    condition = _CONDITION.search(line)
    return condition is None or (condition[2] in columns) == (condition[1] == "if")
