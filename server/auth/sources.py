"""Chooses the source of permissions that `[windsock] authorization` names."""

from collections.abc import Callable

from server.auth.authorization import Everything, Source
from server.database.metadata import Metadata
from server.errors import StartupError
from windsock.config import Config


def choose_source(config: Config, metadata: Metadata) -> Callable[[], Source]:
    """Return a function that returns the source that counts now; with `auto` a migration may change it.

    Raises StartupError if this database, or the permissions file, does not have what the source needs.
    """
    del metadata
    everything = Everything()
    if config.authorization in {"airflow", "file"}:
        raise StartupError(f"[windsock] authorization = {config.authorization} is not there yet")
    return lambda: everything
