"""`windsock config check`: says whether a service could start, or be reloaded, with a file."""

import os
from pathlib import Path

import click

from server.commands.service import one_line_errors
from windsock.commands.base import Failure, echo, say
from windsock.text import count


@click.group()
def config() -> None:
    """Look after the configuration."""


@config.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(file: Path | None) -> None:
    """Check an airflow.cfg, by default the one that the service reads.

    It reads the file and the environment as the service does when it starts and at a reload. It loads the backends and
    the certificate, reads the files of permissions and of tokens, and connects to nothing. The exit status is 1 if
    something is wrong.
    """
    with one_line_errors():
        from server.auth import ALIASES, file_source, load_chain  # noqa: PLC0415 - help needs none of it
        from server.auth.token_file import TokenFile  # noqa: PLC0415 - likewise
        from server.serving.listener import tls_context  # noqa: PLC0415 - likewise
        from windsock.config import check_exposure, load_config  # noqa: PLC0415 - likewise

        env = os.environ if file is None else {**os.environ, "AIRFLOW_CONFIG": str(file)}
        try:
            found = file_source.with_permissions(load_config(env, database="optional"))
        except file_source.PermissionsFileError as error:
            for line in error.lines:
                echo(line)
            raise Failure(f"{count(len(error.lines), 'problem')} in the permissions file") from error
        for warning in found.warnings:
            say(f"Warning: {warning}")
        check_exposure(found)
        backends = load_chain(found.auth_backend).backends
        tls_context(found)
        if found.tokens_file is not None and ALIASES["token_auth"] in backends:
            TokenFile(found.tokens_file).read()
        if not found.dsn:
            say("Warning: no database is set: windsock webserver needs [core] sql_alchemy_conn, standalone does not")
        if found.permissions is not None:
            echo(f"{found.permissions_file}: {file_source.load_permissions(found).summary()}")
    echo(f"{file or 'the configuration'}: no problem found")
