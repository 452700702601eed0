"""Which client `[cli] api_client` names."""

from windsock.errors import ConfigError

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


def client_kind(name: str) -> str:
    """Return JSON or LOCAL for a value of `[cli] api_client`; raises ConfigError."""
    kind = _NAMES.get(name)
    if kind is None:
        raise ConfigError(
            f"[cli] api_client = {name}: expected airflow.api.client.json_client (the API over HTTP)"
            " or airflow.api.client.local_client (straight on the database)"
        )
    return kind
