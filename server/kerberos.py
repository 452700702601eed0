"""What both sides of Kerberos share."""

import logging
from importlib import import_module
from typing import Any

from server.errors import StartupError

SERVICE = "airflow"


def import_gssapi() -> Any:  # noqa: ANN401 - a module
    """Import late: who does not use Kerberos needs none of it on the machine. Raises StartupError."""
    return _import("gssapi")


def import_spnego() -> Any:  # noqa: ANN401 - a module
    """Import pyspnego, and first what it needs: without these it would speak NTLM alone. Raises StartupError."""
    for needed in ("gssapi", "krb5"):
        _import(needed)
    module = _import("spnego")
    # At DEBUG it logs the tokens.
    logging.getLogger("spnego").setLevel(logging.INFO)
    return module


def reason(error: object) -> str:
    """Return the error's words on one line; GSSAPI's hold no token."""
    return " ".join(str(error).split())


def _import(name: str) -> Any:  # noqa: ANN401 - a module
    try:
        return import_module(name)
    except (ImportError, OSError) as error:
        raise StartupError(
            f"kerberos_auth needs the Python package {name} and the system's Kerberos library"
            f" ({reason(error)}); install them with `pip install 'windsock[kerberos]'`"
        ) from error
