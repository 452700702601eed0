"""Named SQL statements, read from the .sql files in the folder `sql`.

A file is a sequence of blocks, each with the head `-- name: the_name`. Comment lines below the head explain the
statement and stay with it. A statement in a later file replaces the one of the same name in an earlier file: this is
how one generation of Airflow differs from another. Minor releases differ in columns: a line that ends in
`-- if table.column` counts only if the database has that column, one with `-- unless table.column` only if it has not.
A statement with the line `-- only if table.column` exists only for databases with that column.
"""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from importlib import resources

_FOLDER = resources.files("server.database") / "sql"
_HEAD = re.compile(r"^-- name: ([\w.]+)\s*$", re.MULTILINE)
_ONLY = re.compile(r"^-- only if (\w+\.\w+)\s*$", re.MULTILINE)
_CONDITION = re.compile(r"--\s*(if|unless) (\w+\.\w+)\s*$")


def parse(text: str) -> dict[str, str]:
    """Split `text` into `{name: statement}`, in the order of the file."""
    parts = _HEAD.split(text)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def load(*files: str) -> dict[str, str]:
    """Read the statements in `files` of the folder `sql`; a name that occurs again replaces the earlier statement."""
    statements: dict[str, str] = {}
    for file in files:
        statements.update(parse(_FOLDER.joinpath(file).read_text("utf-8")))
    return statements


def fit(statement: str, columns: AbstractSet[str]) -> str:
    """Leave out the lines of `statement` whose condition does not hold for `columns` (`table.column`), or all of it."""
    if not all(only[1] in columns for only in _ONLY.finditer(statement)):
        return ""
    return "\n".join(line for line in statement.splitlines() if _holds(line, columns))


def fit_all(statements: Mapping[str, str], columns: AbstractSet[str]) -> dict[str, str]:
    """Fit every statement; one of which nothing is left does not exist for this database."""
    fitted = {name: fit(statement, columns) for name, statement in statements.items()}
    return {name: statement for name, statement in fitted.items() if statement}


def _holds(line: str, columns: AbstractSet[str]) -> bool:
    condition = _CONDITION.search(line)
    return condition is None or (condition[2] in columns) == (condition[1] == "if")
