"""Which parts of the environment are secrets of the service, so that the programs that it starts do not get them."""

import os
import re
from collections.abc import Mapping

from windsock.config.options import OPTIONS

# The section of the client stays: a task may call the API like anybody else.
_CLIENTS = "cli"
# Options of Airflow that Windsock does not have, but that may contain the same secrets.
_SECRET_OPTION = re.compile(
    r"AIRFLOW__(?!CLI__)\w+?__\w*(SQL_ALCHEMY|SECRET|KEYTAB|PASSWORD|FERNET|BROKER_URL|RESULT_BACKEND)\w*"
)
# Variables of libpq, Kerberos and systemd; systemd's name the folder of the credentials.
_OTHERS = frozenset(
    {"PGPASSWORD", "PGPASSFILE", "PGSERVICE", "PGSERVICEFILE", "KRB5_KTNAME", "KRB5_CLIENT_KTNAME"}
    | {"CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}
)


def _names() -> frozenset[str]:
    ours = {
        f"AIRFLOW__{section}__{key}".upper()
        for option in OPTIONS.values()
        for section, key in option.keys
        if option.sensitive and section != _CLIENTS
    }
    return frozenset(ours | {f"{name}_CMD" for name in ours})


_NAMES = _names()


def without_options(env: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment without secret options, for our own processes, which get their configuration otherwise."""
    return {name: value for name, value in env.items() if name not in _NAMES and not _SECRET_OPTION.fullmatch(name)}


def without_secrets(env: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment without anything that gives the service its DSN, secret key, keytab or other credentials.

    Connections (`AIRFLOW_CONN_*`) stay, because they are for tasks.
    """
    return {name: value for name, value in without_options(env).items() if name not in _OTHERS}
