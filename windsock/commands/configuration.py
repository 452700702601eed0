"""The configuration of commands that work on a database: beside a `windsock standalone` they find its database."""

import configparser
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from windsock.config import Config
    from windsock.config.load import DatabaseUse

_FILE = Path(".windsock", "commands.cfg")
# The keys that `windsock standalone` writes there, by section, and the fields of the configuration that they set.
_FIELDS = {
    "core": {"sql_alchemy_conn": "dsn", "base_log_folder": "base_log_folder", "dags_folder": "dags_folder"},
    "windsock": {"authorization": "authorization", "permissions_file": "permissions_file"},
}


def load(database: "DatabaseUse" = "configured") -> "Config":
    """Read the configuration, with defaults from the `windsock standalone` whose data is here. Raises ConfigError."""
    from windsock.config import load_config  # noqa: PLC0415 - help needs none of it

    return load_config(defaults=_of_standalone(os.environ), database=database)


def _of_standalone(env: Mapping[str, str]) -> dict[str, str]:
    """Return what `.windsock/commands.cfg` says, unless the environment names another configuration.

    The current folder may belong to somebody else. So the file counts only if it belongs to this user, nothing in it
    is run, no variables in it are replaced, and it must name a socket on this machine that nobody else can have made.
    """
    if env.get("AIRFLOW_CONFIG") or env.get("AIRFLOW_HOME") or not _is_own(_FILE.parent) or not _is_own(_FILE):
        return {}
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(_FILE, encoding="utf-8")
        found = {
            field: parser[section][key].replace("%%", "%")
            for section, fields in _FIELDS.items()
            for key, field in fields.items()
            if parser.has_option(section, key)
        }
    except (OSError, ValueError, KeyError, configparser.Error):
        return {}
    if any("$" in value for value in found.values()) or not _is_here(found.get("dsn", "")):
        return {}
    return found


def _is_here(dsn: str) -> bool:
    """Whether the DSN names sockets in folders of this user: others can take over the name of a folder that is gone."""
    from windsock.config import Dsn  # noqa: PLC0415 - help needs none of it

    try:
        hosts = Dsn.parse(dsn).connect_arguments().get("host", [])
    except ValueError:
        return False
    return bool(hosts) and all(
        host.startswith("/") and (_is_own(Path(host)) or _is_given(Path(host))) for host in hosts
    )


def _is_own(path: Path) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return status.st_uid == os.geteuid() and not status.st_mode & stat.S_IWOTH


def _is_given(path: Path) -> bool:
    """Whether the path belongs to the user that runs, for root, the Postgres whose data is here."""
    try:
        return os.geteuid() == 0 and path.owner() == (_FILE.parent / "postgres").owner()
    except (OSError, KeyError):
        return False
