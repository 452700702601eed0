"""The source `file` of authorization: `[windsock] permissions_file`, and the roles of a standalone database's users."""

import dataclasses
import io
import logging
import os
import stat
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from server.auth.contract import Identity
from server.auth.permissions import NOTHING, Grant, Permissions, RoleGrant, given_by
from server.auth.permissions_file import PermissionsFile, parse_permissions
from server.auth.tokens import USER_PREFIX
from server.caching.bounded import BoundedMap
from server.caching.recent import Recent
from server.errors import StartupError
from server.wire.document import MAX_BYTES, DocumentError
from windsock.config import Config

logger = logging.getLogger(__name__)

StoredRoles = Callable[[str], Awaitable[Sequence[str]]]
_SHOWN = 10
_USERS, _PRINCIPALS, _REALMS, _TOKENS = "users", "principals", "realms", "tokens"
_REMEMBERED = 10_000


class PermissionsFileError(StartupError):
    """The permissions file has mistakes; `lines` has each of them with file and line, the message the first ones."""

    def __init__(self, lines: Sequence[str]) -> None:
        more = [f"and {len(lines) - _SHOWN} more: see `windsock config check`"] if len(lines) > _SHOWN else []
        super().__init__("; ".join([*lines[:_SHOWN], *more]))
        self.lines = lines


class FileSource:
    """Says what callers may do by the permissions file, and by the roles that the database stores of its users."""

    def __init__(self, file: PermissionsFile, stored: StoredRoles, seconds: float) -> None:
        """Ask `stored` for the roles of a user, at most once in `seconds`."""
        self._file = file
        self._stored = Recent(stored, seconds)
        self._known: BoundedMap[tuple[object, ...], Permissions] = BoundedMap(_REMEMBERED)
        self._reported: set[str] = set()

    async def permissions(self, identity: Identity, kind: str) -> Permissions:
        """Return what the user may do: everything that any of the user's roles gives. Raises Unavailable."""
        if identity.user is None:
            return NOTHING
        stored = tuple(await self._stored.get(identity.user)) if kind == _USERS else ()
        key = (kind, identity.user, identity.realm, stored)
        known = self._known.get(key)
        if known is None:
            known = self._found(identity.user, identity.realm, kind, stored)
            self._known.put(key, known)
        return known

    async def role(self, name: str) -> Sequence[Grant] | None:
        """Return what a role gives, one of the file or a built-in one; None if there is no such role."""
        return self._file.role(name)

    def _found(self, user: str, realm: str | None, kind: str, stored: Sequence[str]) -> Permissions:
        if kind == _PRINCIPALS and realm is not None:
            held = (*self._file.given(_PRINCIPALS, _principal(user, realm)), *self._file.given(_REALMS, realm))
        else:
            # The section of the tokens has their names alone.
            name = user.removeprefix(USER_PREFIX) if kind == _TOKENS else user
            held = (*self._file.given(kind, name), *map(RoleGrant, stored))
        return given_by((each, self._role(each.role)) for each in dict.fromkeys(held))

    def _role(self, name: str) -> Sequence[Grant]:
        """Return what a role gives: nothing, and a warning, if the file no longer has the role that is stored."""
        grants = self._file.role(name)
        if grants is None and name not in self._reported and len(self._reported) < _REMEMBERED:
            self._reported.add(name)
            logger.warning("users have a role that the permissions file does not define", extra={"role": name})
        return grants or ()


def _principal(user: str, realm: str) -> str:
    """Return the full name of a Kerberos principal; for some realms the backend has left out the realm."""
    name, at, last = user.rpartition("@")
    # An @ after a backslash belongs to the name.
    return user if at and last == realm and not name.endswith("\\") else f"{user}@{realm}"


def with_permissions(config: Config) -> Config:
    """Return the configuration with the content of its permissions file, for this process and its children.

    So processes that start later have the same permissions, whatever becomes of the file, until the service is
    reloaded. Raises StartupError with the faults of the file, and for a file that would have no effect by mistake.
    """
    if config.permissions_file is None:
        return config
    place = config.sources.get("permissions_file", "permissions_file")
    if "authorization" not in config.sources:
        raise StartupError(f"{place}: this file has no effect without [windsock] authorization = file")
    if config.authorization != "file":
        warning = f"{place} has no effect: [windsock] authorization = {config.authorization}"
        return dataclasses.replace(config, warnings=(*config.warnings, warning))
    read = dataclasses.replace(config, permissions=read_permissions_file(config.permissions_file))
    load_permissions(read)
    return read


def load_permissions(config: Config) -> PermissionsFile:
    """Return what the permissions file says, an empty one if there is none; raises StartupError with all its faults."""
    path = config.permissions_file
    if path is None:
        return PermissionsFile()
    try:
        return parse_permissions(read_permissions_file(path) if config.permissions is None else config.permissions)
    except DocumentError as error:
        raise PermissionsFileError([problem.at(str(path)) for problem in error.problems]) from error


def read_permissions_file(path: Path) -> bytes:
    """Return the content of a permissions file; raises StartupError if it cannot be read, or if all may write it."""
    try:
        with io.FileIO(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)) as file:
            mode = os.fstat(file.fileno()).st_mode
            if fault := _fault(mode):
                raise StartupError(f"{path} ([windsock] permissions_file): {fault}")
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise StartupError(f"{path} ([windsock] permissions_file) cannot be read: {error.strerror}") from error


def _fault(mode: int) -> str | None:
    if not stat.S_ISREG(mode):
        return "this is not a regular file"
    return "every user of the machine can write it: remove that right (chmod o-w)" if mode & stat.S_IWOTH else None
