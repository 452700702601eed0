"""What the server and the client share about Kerberos."""

import logging
from importlib import import_module
from typing import Any

from windsock.errors import ConfigError

SERVICE = "airflow"


def import_gssapi() -> Any:  # noqa: ANN401 - a module
    """Import gssapi late, because only Kerberos needs it to be installed. Raises ConfigError."""
    return _import("gssapi")


def import_spnego() -> Any:  # noqa: ANN401 - a module
    """Import pyspnego, after what it needs: without these packages it would speak only NTLM. Raises ConfigError."""
    for needed in ("gssapi", "krb5"):
        _import(needed)
    module = _import("spnego")
    # At DEBUG pyspnego logs the tokens.
    logging.getLogger("spnego").setLevel(logging.INFO)
    return module


def reason(error: object) -> str:
    """Return the error's message on one line; a GSSAPI message has no token in it."""
    return " ".join(str(error).split())


def _import(name: str) -> Any:  # noqa: ANN401 - a module
    try:
        return import_module(name)
    except (ImportError, OSError) as error:
        raise ConfigError(
            f"kerberos_auth needs the Python package {name} and the system's Kerberos library"
            f" ({reason(error)}); install them with `pip install 'windsock[kerberos]'`"
        ) from error
