"""Chooses the source of permissions that `[windsock] authorization` names."""

import logging
from collections.abc import Callable, Sequence

from server.auth.airflow_source import AirflowRoles
from server.auth.authorization import Everything, Source
from server.auth.file_source import FileSource, load_permissions
from server.database.metadata import Metadata
from server.errors import StartupError, Unavailable
from windsock.config import Config

logger = logging.getLogger(__name__)


class _Auto:
    """The source `auto`: the roles from the moment when the database has them.

    If they are gone later, as while somebody restores a backup, nobody may do anything: only a start goes back to
    everything for everybody.
    """

    def __init__(self, metadata: Metadata, airflow: Source, everything: Source) -> None:
        self._metadata = metadata
        self._airflow = airflow
        self._everything = everything
        self._had_roles = metadata.roles.exists

    def __call__(self) -> Source:
        self._had_roles = self._had_roles or self._metadata.roles.exists
        return self._airflow if self._had_roles else self._everything


async def choose_source(config: Config, metadata: Metadata) -> Callable[[], Source]:
    """Return a function that returns the source that counts now; with `auto` a migration may change it.

    Raises StartupError if this database, or the permissions file, does not have what the source needs.
    """
    if config.authorization == "file":
        file = _file_source(config, metadata)
        return lambda: file
    everything, airflow = Everything(), AirflowRoles(metadata, config.user_check_seconds)
    if config.authorization == "airflow" or (config.authorization == "auto" and metadata.roles.exists):
        await _require_roles(metadata)
        logger.info("users may do what their roles in this Airflow give", extra={"authorization": "airflow"})
    else:
        logger.info("whoever authenticates may do everything", extra={"authorization": "none"})
    if config.authorization == "airflow":
        return lambda: airflow
    if config.authorization == "auto":
        return _Auto(metadata, airflow, everything)
    return lambda: everything


def _file_source(config: Config, metadata: Metadata) -> FileSource:
    if config.permissions_file is None and not metadata.users.has_roles:
        raise StartupError(
            "[windsock] authorization = file: set permissions_file too; only a standalone database stores roles itself"
        )
    file = load_permissions(config)
    where = config.permissions_file or "the database has the roles of users"
    logger.info("who may do what: %s (%s)", where, file.summary(), extra={"authorization": "file"})

    async def stored(user: str) -> Sequence[str]:
        # A migration makes another object of the users.
        return await metadata.users.roles(user)

    return FileSource(file, stored, config.user_check_seconds)


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
