"""Finds the credentials of the JSON client: of its backend, the environment, the configuration, or netrc."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from windsock.client.auth import Basic, ClientAuth
from windsock.errors import ConfigError

if TYPE_CHECKING:
    from windsock.config import Config

# Backends whose client side is user and password or nothing, by the last part of their names.
_PLAIN = frozenset({"default", "deny_all", "password_auth", "basic_auth"})


Pair = tuple[str | None, str | None]
"""User and password; None and "" are none."""


def find_auth(
    config: "Config", env: Mapping[str, str], host: str, in_url: Pair, given: Pair = (None, None)
) -> ClientAuth:
    """Choose the credentials for `host`; raises ConfigError.

    What the program has `given` comes first, then the backend's own `client_auth`, then user and password from the
    environment (WINDSOCK_USERNAME, WINDSOCK_PASSWORD), from `[cli]`, from the URL, and from netrc. If only one of the
    two is given, the other one is looked for in the same order.
    """
    own = None if any(given) else _backend_auth(config)
    if own is not None:
        return own
    username = given[0] or env.get("WINDSOCK_USERNAME") or config.cli_username
    password = given[1] or env.get("WINDSOCK_PASSWORD") or config.cli_password
    if username:
        return Basic(username, password)
    found = in_url if in_url[0] else _netrc(env, host)
    if found is not None and found[0]:
        return Basic(found[0], given[1] or found[1] or "")
    if given[1]:
        raise ConfigError("a password needs a username; neither the program nor the configuration has one")
    return ClientAuth()


def _backend_auth(config: "Config") -> ClientAuth | None:
    name = config.auth_backend
    last = name.rpartition(".")[2]
    if last in _PLAIN and (last == name or name.startswith(("airflow.", "auth_backends."))):
        return None
    if last == "kerberos_auth" and (last == name or name.startswith(("airflow.", "auth_backends."))):
        # The same as the backend's own client_auth, without the modules that the backend imports for the server.
        from windsock.client.negotiate import Negotiate  # noqa: PLC0415 - few need it

        return Negotiate()
    from importlib import import_module  # noqa: PLC0415 - likewise

    try:
        module = import_module(name)
    except ImportError as error:
        raise ConfigError(f"[api] auth_backend = {config.auth_backend}: cannot import {name} ({error})") from error
    make = getattr(module, "client_auth", None)
    found: ClientAuth | None = make(config) if make else None
    return found


def _netrc(env: Mapping[str, str], host: str) -> tuple[str, str] | None:
    from pathlib import Path  # noqa: PLC0415 - likewise

    path = Path(env["NETRC"]) if env.get("NETRC") else Path("~/.netrc").expanduser()
    if not path.is_file():
        return None
    from netrc import NetrcParseError, netrc  # noqa: PLC0415 - likewise

    try:
        found = netrc(path).authenticators(host)
    except NetrcParseError as error:
        # Never show the parser's own message: it may quote the line.
        raise ConfigError(f"{path}, line {error.lineno}: this netrc file has a mistake") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: this netrc file is not UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    return (found[0] or "", found[2] or "") if found and found[0] else None
