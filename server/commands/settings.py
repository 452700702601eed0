"""The configuration of commands that work on a database; one that stands beside a `windsock standalone` finds it."""

import configparser
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.config import Config
    from server.config.load import DatabaseUse

_FILE = Path(".windsock", "commands.cfg")
# What a standalone writes there, and the fields that it is for.
_FIELDS = {"sql_alchemy_conn": "dsn", "base_log_folder": "base_log_folder", "dags_folder": "dags_folder"}
_ON_THIS_MACHINE = "postgresql://windsock@/"


def load(database: "DatabaseUse" = "configured") -> "Config":
    """Read the configuration; what is set nowhere is that of the standalone whose data is here. Raises ConfigError."""
    from server.config import load_config  # noqa: PLC0415 - help needs none of it

    return load_config(defaults=_of_standalone(os.environ), database=database)


def _of_standalone(env: Mapping[str, str]) -> dict[str, str]:
    """What `.windsock/commands.cfg` says, unless somebody says where else to look.

    The folder may be anybody's: only its owner's own file counts, nothing of it is run or filled in, and it names a
    database of this machine.
    """
    if env.get("AIRFLOW_CONFIG") or env.get("AIRFLOW_HOME") or not _is_own(_FILE.parent) or not _is_own(_FILE):
        return {}
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(_FILE, encoding="utf-8")
        found = {key: value.replace("%%", "%") for key, value in parser["core"].items() if key in _FIELDS}
    except (OSError, ValueError, KeyError, configparser.Error):
        return {}
    dsn = found.get("sql_alchemy_conn", "")
    if not dsn.startswith(_ON_THIS_MACHINE) or any("$" in value for value in found.values()):
        return {}
    return {_FIELDS[key]: value for key, value in found.items()}


def _is_own(path: Path) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return status.st_uid == os.geteuid() and not status.st_mode & stat.S_IWOTH
