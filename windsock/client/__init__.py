"""The API as Python methods: over HTTP (`json_client`), or straight on the database (`server.local_client`).

Both have the methods of `windsock.client.interface.Client`, and give the same answers and errors. docs/python-client.md
has more.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from windsock.client.interface import ApiError, Client, ClientError, Unreachable
from windsock.errors import ConfigError

if TYPE_CHECKING:
    from windsock.config import Config

__all__ = ["JSON", "LOCAL", "ApiError", "Client", "ClientError", "Unreachable", "client_kind", "connect"]

JSON = "json"
LOCAL = "local"
_NAMES = {
    "json": JSON,
    "local": LOCAL,
    "airflow.api.client.json_client": JSON,
    "airflow.api.client.local_client": LOCAL,
    # As earlier releases called them.
    "server.client.json_client": JSON,
    "server.client.local_client": LOCAL,
}
# It comes with the service. By its name, because this package works without the service too.
_LOCAL_CLIENT = "server.local_client"


def client_kind(name: str) -> str:
    """Return JSON or LOCAL for a value of `[cli] api_client`; raises ConfigError."""
    kind = _NAMES.get(name)
    if kind is None:
        raise ConfigError(
            f"[cli] api_client = {name}: expected airflow.api.client.json_client (the API over HTTP)"
            " or airflow.api.client.local_client (straight on the database)"
        )
    return kind


def connect(
    to: "Config | str | None" = None,
    trace: Callable[[str], None] | None = None,
    warn: Callable[[str], None] | None = None,
    *,
    username: str | None = None,
    password: str | None = None,
) -> Client:
    """Make a client; it connects when it is first used. Raises ConfigError.

    `to` is the URL of a server. By default the configuration says which client to make: airflow.cfg, and the
    environment. `username` and `password` count before the configured ones. A program may also pass a configuration
    that it has loaded itself. `trace` is called with a line about each HTTP request, and `warn` with the warning of
    each answer that has one.
    """
    given: dict[str, str | None] = {"cli_username": username, "cli_password": password}
    if isinstance(to, str):
        given |= {"endpoint_url": to, "api_client": JSON}
    config = _load(given) if to is None or isinstance(to, str) else to
    if client_kind(config.api_client) == JSON:
        from windsock.client.json_client import JsonClient  # noqa: PLC0415 - each client imports what it needs alone

        return JsonClient.from_config(config, trace, warn)
    from importlib import import_module  # noqa: PLC0415 - likewise

    client: Client = import_module(_LOCAL_CLIENT).LocalClient(config, warn)
    return client


def _load(overrides: Mapping[str, str | None]) -> "Config":
    from windsock.config import load_config  # noqa: PLC0415 - the command line has loaded it already

    config = load_config(overrides=overrides, database="none")
    return config if client_kind(config.api_client) == JSON else load_config(overrides=overrides)
