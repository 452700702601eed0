"""The API as Python methods: over HTTP (`json_client`), or straight on the database (`server.local_client`).

Both have the methods of `windsock.client.interface.Client`, and give the same answers and errors. docs/python-client.md
has more.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from windsock.client.interface import Client
from windsock.client.results import ApiError, ClientError, Unreachable
from windsock.client_kind import JSON, client_kind

if TYPE_CHECKING:
    from windsock.config import Config

__all__ = ["ApiError", "Client", "ClientError", "Unreachable", "connect"]

# It comes with the service. By its name, because this package works without the service too.
_LOCAL_CLIENT = "server.local_client"


def connect(
    to: "Config | str | None" = None,
    trace: Callable[[str], None] | None = None,
    warn: Callable[[str], None] | None = None,
    *,
    username: str | None = None,
    password: str | None = None,
    token: str | None = None,
) -> Client:
    """Make a client; it connects when it is first used. Raises ConfigError.

    `to` is the URL of a server. By default the configuration says which client to make: airflow.cfg, and the
    environment. A program may also pass a configuration that it has loaded itself. Over HTTP, `username` and
    `password`, or a `token`, count before all other credentials; empty ones do not count. `trace` is called with a line
    about each HTTP request, and `warn` with the warning of each answer that has one.
    """
    given = {"endpoint_url": to, "api_client": JSON} if isinstance(to, str) else {}
    config = _load(given) if to is None or isinstance(to, str) else to
    if client_kind(config.api_client) == JSON:
        from windsock.client.json_client import JsonClient  # noqa: PLC0415 - each client imports what it needs alone

        return JsonClient.from_config(config, trace, warn, username=username, password=password, token=token)
    from windsock.service import module_of_service  # noqa: PLC0415 - likewise

    client: Client = module_of_service(_LOCAL_CLIENT).LocalClient(config, warn)
    return client


def _load(overrides: Mapping[str, str]) -> "Config":
    from windsock.config import load_config  # noqa: PLC0415 - the command line has loaded it already

    return load_config(overrides=overrides, database="client")
