"""The client and the command line of the experimental API.

    from windsock import connect

    with connect("http://127.0.0.1:8080") as client:
        client.trigger_dag("example", run_id="by_hand_1", conf={"key": "value"})

This package needs nothing of `server`: the service adds its own commands, and the client that works straight on the
database. docs/python-client.md has more.
"""

from windsock.client import ApiError, Client, ClientError, Unreachable, connect
from windsock.errors import ConfigError
from windsock.version import __version__

__all__ = ["ApiError", "Client", "ClientError", "ConfigError", "Unreachable", "__version__", "connect"]
