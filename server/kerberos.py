"""What both sides of Kerberos share."""

from importlib import import_module
from typing import Any

from server.errors import StartupError

SERVICE = "airflow"


def import_gssapi() -> Any:  # noqa: ANN401 - a module
    """Import late: who does not use Kerberos needs none of it on the machine. Raises StartupError."""
    try:
        return import_module("gssapi")
    except (ImportError, OSError) as error:
        raise StartupError(
            "kerberos_auth needs the Python package gssapi and the system's Kerberos library"
            f" ({reason(error)}); install them with `pip install 'windsock[kerberos]'`"
        ) from error


def reason(error: Exception) -> str:
    """Return the error's words on one line; GSSAPI's hold no token."""
    return " ".join(str(error).split())
