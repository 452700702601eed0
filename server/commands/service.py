"""The service: `standalone`, `webserver`, `scheduler`, `initdb`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from windsock.commands.base import EXIT_UNREACHABLE, Failure
from windsock.errors import ConfigError


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn an error that the user can fix into one line on stderr and exit status 1, or 5 if the database is away."""
    import asyncpg  # noqa: PLC0415 - slow to import, and most of the commands' help needs none of it

    from server.database.schema import SchemaError  # noqa: PLC0415 - likewise
    from server.errors import NoDatabase, StartupError, WindsockError  # noqa: PLC0415 - likewise

    try:
        yield
    except NoDatabase as error:
        raise Failure(str(error), EXIT_UNREACHABLE) from error
    except (ConfigError, SchemaError, StartupError, WindsockError) as error:
        raise Failure(str(error)) from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Failure(_said(error)) from error


def _said(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


@click.command()
@click.option("-w", "--workers", type=click.IntRange(1, 256), help="How many processes serve requests.  [default: 1]")
def webserver(workers: int | None) -> None:
    """Serve the API on the configured database.

    [core] sql_alchemy_conn in airflow.cfg names the database.
    """
    with one_line_errors():
        from server.serving.webserver import run_webserver  # noqa: PLC0415 - see above
        from windsock.config import load_config  # noqa: PLC0415 - see above

        run_webserver(lambda: load_config(overrides={"workers": workers}))


@click.command()
def scheduler() -> None:
    """Load the DAG files and run what is triggered.

    This is for a standalone database.
    """
    with one_line_errors():
        from server.standalone.scheduler.entry_point import run_scheduler  # noqa: PLC0415 - see above
        from windsock.config import load_config  # noqa: PLC0415 - see above

        run_scheduler(load_config())


@click.command()
def initdb() -> None:
    """Create or upgrade the tables of a standalone database.

    You may repeat it safely. It refuses the database of an Airflow.
    """
    with one_line_errors():
        import asyncio  # noqa: PLC0415 - see above

        from server.database import schema  # noqa: PLC0415 - see above
        from windsock.config import load_config  # noqa: PLC0415 - see above

        applied = asyncio.run(schema.initdb(load_config().dsn))
        click.echo(f"schema.sql: applied version {applied[-1]}" if applied else "schema.sql: nothing to do")


@click.command()
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: 8080]")
@click.option("--data-dir", type=click.Path(path_type=Path), help="The database's folder.  [default: .windsock]")
@click.option("--dags-folder", type=click.Path(path_type=Path), help="Folder of YAML DAG files.  [default: dags]")
def standalone(host: str | None, port: int | None, data_dir: Path | None, dags_folder: Path | None) -> None:
    """Run Postgres, the scheduler and the API.

    It loads the DAGs from a folder of YAML files. It has a database of its own and does not touch an Airflow.
    """
    with one_line_errors():
        from server.serving.standalone import run_standalone  # noqa: PLC0415 - see above

        run_standalone(host=host, port=port, data_dir=data_dir, dags_folder=dags_folder)
