"""Chooses the source of permissions that `[windsock] authorization` names."""

import logging
from collections.abc import Callable

from server.auth.airflow_source import AirflowRoles
from server.auth.authorization import Everything, Source
from server.database.metadata import Metadata
from server.errors import StartupError, Unavailable
from windsock.config import Config

logger = logging.getLogger(__name__)


async def choose_source(config: Config, metadata: Metadata) -> Callable[[], Source]:
    """Return a function that returns the source that counts now; with `auto` a migration may change it.

    Raises StartupError if this database, or the permissions file, does not have what the source needs.
    """
    if config.authorization == "file":
        raise StartupError("[windsock] authorization = file is not there yet")
    everything, airflow = Everything(), AirflowRoles(metadata, config.user_check_seconds)
    if config.authorization == "airflow" or (config.authorization == "auto" and metadata.roles.exists):
        await _require_roles(metadata)
    if config.authorization == "airflow":
        return lambda: airflow
    if config.authorization == "auto":
        return lambda: airflow if metadata.roles.exists else everything
    return lambda: everything


async def _require_roles(metadata: Metadata) -> None:
    if not metadata.roles.exists:
        raise StartupError(
            "[windsock] authorization = airflow: this database has no roles of users (no table `ab_role`): only Airflow"
            " 2, Airflow 1.10 with its RBAC interface and Airflow 3 with the FAB auth manager have them; choose file"
            " or none"
        )
    try:
        await metadata.roles.check()
    except Unavailable as error:
        raise StartupError(f"[windsock] authorization: cannot read the roles of users: {error.message}") from error
