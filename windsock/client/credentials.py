"""Finds the credentials of the JSON client: in the environment, the configuration, netrc, or those of a backend."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from windsock.client.auth import Basic, Bearer, ClientAuth
from windsock.errors import ConfigError

if TYPE_CHECKING:
    from windsock.config import Config

# By the last part of their names: backends whose client side is user and password, and those that have none.
_PLAIN = frozenset({"password_auth", "basic_auth"})
_WITHOUT = frozenset({"default", "deny_all", "token_auth"})


class Given(NamedTuple):
    """What a program passes, or a URL contains; None and "" are nothing."""

    username: str | None = None
    password: str | None = None
    token: str | None = None


NOTHING = Given()


def find_auth(
    config: "Config", env: Mapping[str, str], host: str, in_url: Given = NOTHING, given: Given = NOTHING
) -> ClientAuth:
    """Choose the credentials for `host`; raises ConfigError.

    What the program has `given` comes first, then a token: WINDSOCK_TOKEN, or the configuration's. Then user and
    password, if a configured backend of ours takes them: from the environment (WINDSOCK_USERNAME, WINDSOCK_PASSWORD),
    from `[cli]`, from the URL, and from netrc; if only one of the two is given, the other one is looked for in the same
    order. Then the client's side of the first backend that has one. For other backends it is the other way round.
    """
    if given.token and (given.username or given.password):
        raise ConfigError("give either a token or a user and a password, not both")
    if given.username or given.password:
        return _basic(config, env, host, in_url, given) or ClientAuth()
    if token := given.token or env.get("WINDSOCK_TOKEN") or config.cli_token:
        return Bearer(token)
    if any(_ours(name) in _PLAIN for name in config.auth_backend):
        return _basic(config, env, host, in_url, given) or _own(config) or ClientAuth()
    return _own(config) or _basic(config, env, host, in_url, given) or ClientAuth()


def _basic(config: "Config", env: Mapping[str, str], host: str, in_url: Given, given: Given) -> ClientAuth | None:
    username = given.username or env.get("WINDSOCK_USERNAME") or config.cli_username
    password = given.password or env.get("WINDSOCK_PASSWORD") or config.cli_password
    if username:
        return Basic(username, password)
    found = (in_url.username, in_url.password) if in_url.username else _netrc(env, host)
    if found is not None and found[0]:
        return Basic(found[0], given.password or found[1] or "")
    if given.password:
        raise ConfigError("a password needs a username; neither the program nor the configuration has one")
    return None


def _own(config: "Config") -> ClientAuth | None:
    """Return the client's side of the first backend that has one."""
    return next((found for name in config.auth_backend if (found := _client_auth(config, name)) is not None), None)


def _ours(name: str) -> str | None:
    """Return the last part of the name of one of our backends, or of Airflow's; None for a module of somebody else."""
    last = name.rpartition(".")[2]
    return last if last == name or name.startswith(("airflow.", "auth_backends.")) else None


def _client_auth(config: "Config", name: str) -> ClientAuth | None:
    ours = _ours(name)
    if ours in _PLAIN or ours in _WITHOUT:
        return None
    if ours == "kerberos_auth":
        # The same as the backend's own client_auth, without the modules that the backend imports for the server.
        from windsock.client.negotiate import Negotiate  # noqa: PLC0415 - few need it

        return Negotiate()
    from importlib import import_module  # noqa: PLC0415 - likewise

    try:
        module = import_module(name)
    except ImportError as error:
        raise ConfigError(f"[api] auth_backend = {name}: cannot import {name} ({error})") from error
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
