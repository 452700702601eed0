"""`windsock check`: checks files as the DAG loader does, without a database."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.commands.service import one_line_errors
from windsock.commands.base import EXIT_FAILED, echo, say
from windsock.text import count

if TYPE_CHECKING:
    from server.standalone.dags.errors import DagFileError
    from server.standalone.dags.serialize import DagFile


@click.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.pass_context
def check(context: click.Context, files: tuple[Path, ...]) -> None:
    """Check DAG files, without a database.

    For a folder it checks every YAML file below it. It prints a problem as FILE:LINE: TEXT, like a compiler. The exit
    status is 1 if there are problems.
    """
    with one_line_errors():
        import asyncio  # noqa: PLC0415 - see server.commands.service

        from server.standalone.dags.offline import check_files  # noqa: PLC0415 - likewise
        from windsock.config import load_config  # noqa: PLC0415 - likewise

        config = load_config(database="none")
        results = asyncio.run(check_files(files, config.dag_ignore_file_syntax, Path(config.dags_folder).absolute()))
    broken = [file for file, result in results.items() if not _show(os.path.relpath(file), result)]
    say(f"{count(len(results), 'file')}, {len(broken) or 'none'} with problems")
    if broken:
        context.exit(EXIT_FAILED)


def _show(file: str, result: "DagFile | DagFileError") -> bool:
    """Print the result for a file; return whether it can be loaded."""
    from server.standalone.dags.errors import DagFileError  # noqa: PLC0415 - likewise
    from server.wire.document import Problem  # noqa: PLC0415 - likewise

    if isinstance(result, DagFileError):
        for problem in result.problems:
            echo(problem.at(file))
        return False
    echo(f"{file}: {count(len(result.rows), 'DAG')}: {', '.join(result.dag_ids)}")
    for row in result.rows:
        for note in row.notes:
            echo(Problem(row.line, f"note: DAG {row.dag_id!r}: {note}").at(file))
    return True
