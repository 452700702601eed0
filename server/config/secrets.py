"""What of the environment is the service's own secret, which the programs that it starts have no business with."""

import os
import re
from collections.abc import Mapping

from server.config.options import OPTIONS

# The client's own section: a task may call the API as anybody else does.
_CLIENTS = "cli"
# Options of Airflow that are none of ours, and may hold what ours do.
_SECRET_OPTION = re.compile(
    r"AIRFLOW__(?!CLI__)\w+?__\w*(SQL_ALCHEMY|SECRET|KEYTAB|PASSWORD|FERNET|BROKER_URL|RESULT_BACKEND)\w*"
)
# libpq's, Kerberos', and systemd's, which names the folder of the credentials.
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
    """The environment without options that are secret, for processes of ours that are told their configuration."""
    return {name: value for name, value in env.items() if name not in _NAMES and not _SECRET_OPTION.fullmatch(name)}


def without_secrets(env: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment without whatever the service gets its DSN, secret key, keytab or other credentials by.

    Connections (`AIRFLOW_CONN_*`) stay: they are for tasks.
    """
    return {name: value for name, value in without_options(env).items() if name not in _OTHERS}
