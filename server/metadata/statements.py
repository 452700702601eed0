"""Named SQL statements, read from the .sql files beside the code that runs them.

A file is a sequence of blocks, each headed by `-- name: the_name`; comment lines below the head
explain the statement and stay with it. A later file may say a statement of an earlier one otherwise,
which is how one generation of Airflow differs from another.
"""

import re
from importlib import resources

_HEAD = re.compile(r"^-- name: ([\w.]+)\s*$", re.MULTILINE)


def parse(text: str) -> dict[str, str]:
    """Split `text` into `{name: statement}`, in the order of the file."""
    parts = _HEAD.split(text)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def load(*files: str, package: str = "server.metadata") -> dict[str, str]:
    """Read the statements of `files` of `package`; a name that occurs again replaces the earlier one."""
    statements: dict[str, str] = {}
    for file in files:
        statements.update(parse(resources.files(package).joinpath(file).read_text("utf-8")))
    return statements
