"""`windsock db backup` and `windsock db restore`, from the configuration to the last message."""

import asyncio
from pathlib import Path

from server.database import schema
from server.standalone.backup import checks, programs
from server.standalone.backup.checks import BackupError, Found
from server.standalone.backup.dump import Tools
from server.standalone.backup.files import STANDARD, opened, written
from server.standalone.backup.place import reached
from server.standalone.backup.progress import megabytes
from windsock.config import Config, Dsn


def backup(config: Config, file: str, data_dir: Path | None) -> str:
    """Write the database into a file; return what was done, in one line.

    The service may run meanwhile: the backup is what the database held at one moment. Raises SchemaError for an
    Airflow's database, StartupError if something prevents the backup. Then no part of a file is left.
    """
    with reached(config, data_dir, alone=False) as dsn:
        found = checks.look(dsn)
        if found.version is None:
            raise BackupError("this database has no schema of Windsock: there is nothing to back up")
        tools = Tools(programs.that_dump(found.server, programs.installed()), _environment(dsn, found), found.schema)
        with written(file) as stream:
            tools.dump(stream)
    size = "" if file == STANDARD else f" to {file}, {megabytes(Path(file).stat().st_size)}"
    return f"backed up {_contents(found)} (schema version {found.version}){size}"


def restore(config: Config, file: str, data_dir: Path | None, *, force: bool) -> str:
    """Replace everything in the database with a backup; return what was done, in one line.

    A backup of an older release is upgraded. Raises SchemaError for an Airflow's database. Raises StartupError if the
    database is in use, belongs to another program or, without `force`, has data, and if the file cannot be read, is
    damaged, is no backup of Windsock's or is of a newer release. The database is then as it was before, unless the
    BackupError says that the backup was restored.
    """
    with opened(file) as stream, reached(config, data_dir, alone=True) as dsn:
        found = checks.look(dsn)
        checks.check_overwriting(found, force=force)
        tools = Tools(programs.that_restore(found.server, programs.installed()), _environment(dsn, found), found.schema)
        version, known = tools.verify(stream), schema.load_schema().version
        if version > known:
            raise BackupError(
                f"the backup is of a newer release: it has schema version {version}, this release knows {known};"
                " restore it with that release"
            )
        tools.restore(stream, found)
        try:
            return f"restored {_upgraded(dsn, version)}"
        except (KeyboardInterrupt, Exception) as error:
            raise BackupError(
                f"the backup is restored, but its schema may not be upgraded ({type(error).__name__}: {error}):"
                " run `windsock initdb`"
            ) from error


def _environment(dsn: Dsn, found: Found) -> dict[str, str]:
    """Return the environment for programs that must reach the very database that was found."""
    return programs.environment(dsn, PGUSER=found.role, PGDATABASE=found.database)


def _upgraded(dsn: Dsn, version: int) -> str:
    asyncio.run(schema.initdb(dsn))
    found = checks.look(dsn)
    step = f"upgraded from schema version {version} to" if found.version != version else "schema version"
    return f"{_contents(found)} ({step} {found.version})"


def _contents(found: Found) -> str:
    return checks.say_contents(found.contents) or "a database without data"
