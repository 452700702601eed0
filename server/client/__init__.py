"""The API as Python methods: over HTTP (`json_client`), or straight on the database (`local_client`).

    from server.client import connect
    from server.config import load_config

    with connect(load_config(database="none")) as client:
        client.trigger_dag("example", run_id="by_hand_1", conf={"key": "value"})

Both have the methods of `server.client.interface.Client`, and give the same answers and errors. docs/python-client.md
has more.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from server.client.interface import ApiError, Client, ClientError, Unreachable
from server.config.values import ConfigError

if TYPE_CHECKING:
    from server.config import Config

__all__ = ["JSON", "LOCAL", "ApiError", "Client", "ClientError", "Unreachable", "client_kind", "connect"]

JSON = "json"
LOCAL = "local"
_NAMES = {
    "json": JSON,
    "local": LOCAL,
    "airflow.api.client.json_client": JSON,
    "airflow.api.client.local_client": LOCAL,
    "server.client.json_client": JSON,
    "server.client.local_client": LOCAL,
}


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
    config: "Config", trace: Callable[[str], None] | None = None, warn: Callable[[str], None] | None = None
) -> Client:
    """Make the client that `[cli] api_client` selects; it connects when it is first used. Raises ConfigError.

    `trace` is called with a line about each HTTP request, and `warn` with the warning of each answer that has one.
    """
    if client_kind(config.api_client) == JSON:
        from server.client.json_client import JsonClient  # noqa: PLC0415 - each client imports what it needs alone

        return JsonClient.from_config(config, trace, warn)
    from server.client.local_client import LocalClient  # noqa: PLC0415 - likewise

    return LocalClient(config, warn)
