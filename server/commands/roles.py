"""The roles that commands take: built-in ones, and those of the permissions file."""

from typing import TYPE_CHECKING

from server.commands.service import one_line_errors
from windsock.commands.base import Failure

if TYPE_CHECKING:
    from server.auth.permissions_file import PermissionsFile
    from windsock.config import Config


def permissions_of(config: "Config") -> "PermissionsFile":
    """Return the permissions file, an empty one if it does not count. Raises Failure."""
    from server.auth.file_source import load_permissions  # noqa: PLC0415 - help needs none of it
    from server.auth.permissions_file import PermissionsFile  # noqa: PLC0415 - likewise

    with one_line_errors():
        return load_permissions(config) if config.authorization == "file" else PermissionsFile()


def spelled(given: str, file: "PermissionsFile") -> str | None:
    """Return the name of a role as it is defined, None if there is none; case does not matter for built-in ones."""
    from server.auth.permissions import ROLES  # noqa: PLC0415 - likewise

    names = {name.casefold(): name for name in ROLES} | {name: name for name in file.roles}
    return names.get(given) or names.get(given.casefold())


def known_role(given: str, file: "PermissionsFile") -> str:
    """Return the name of a role as it is defined; raises Failure if there is no such role."""
    from server.auth.permissions import ROLES  # noqa: PLC0415 - likewise

    name = spelled(given, file)
    if name is None:
        raise Failure(
            f"There is no role {given}; there are {', '.join((*ROLES, *file.roles))}; the permissions_file, with"
            " [windsock] authorization = file, may define others"
        )
    return name
