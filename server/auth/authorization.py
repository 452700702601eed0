"""Authorization: what a caller who has authenticated may do, by the source that `[windsock] authorization` names."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from aiohttp import web

from server.auth.contract import ANYONE, Backend, Identity
from server.auth.permissions import EVERYTHING, NOTHING, ROLES, Grant, Permissions, RoleGrant, given_by
from server.caching.bounded import BoundedMap

_Granted = tuple[tuple[RoleGrant, tuple[Grant, ...]], ...]
_REMEMBERED = 10_000


class Source(Protocol):
    """Says what the roles are, and who has them."""

    async def permissions(self, identity: Identity, kind: str) -> Permissions:
        """Return what the user may do; `kind` is the backend's KIND. Raises Unavailable."""

    async def role(self, name: str) -> Sequence[Grant] | None:
        """Return what a role gives; None if there is no such role. Raises Unavailable."""


class Everything:
    """The source `none`: whoever authenticates may do everything. The roles that credentials carry are built in."""

    async def permissions(self, identity: Identity, kind: str) -> Permissions:  # noqa: ARG002 - as Source has it
        """Return everything."""
        return EVERYTHING

    async def role(self, name: str) -> Sequence[Grant] | None:
        """Return what a built-in role gives."""
        return [Grant(ROLES[name])] if name in ROLES else None


class Authorization:
    """What callers may do: the source says it, unless their credentials carry roles."""

    def __init__(self, source: Callable[[], Source], backends: Mapping[str, Backend]) -> None:
        """Ask `source` for the source that counts now; `backends` are the configured ones by their dotted names."""
        self._source = source
        self._kinds = {name: str(getattr(backend, "KIND", "users")) for name, backend in backends.items()}
        # What roles give together costs more to put together than to look up.
        self._resolved: BoundedMap[_Granted, Permissions] = BoundedMap(_REMEMBERED)
        self._carried = {name: backend.roles for name, backend in backends.items() if hasattr(backend, "roles")}

    async def of(self, app: web.Application, identity: Identity) -> Permissions:
        """Return all that the caller may do; raises Unavailable."""
        backend = identity.backend
        kind = self._kinds.get(backend, "users")
        if kind == ANYONE:
            return EVERYTHING
        source = self._source()
        given = await source.permissions(identity, kind)
        if backend not in self._carried or identity.user is None:
            return given
        carried: Sequence[RoleGrant] | None = await self._carried[backend](app, identity.user)
        if carried is None:
            return given
        own = await self._resolve(source, carried)
        # Under `none` the source gives everything, and a credential that carries roles has only these.
        return own if given is EVERYTHING or given is NOTHING else own | given

    async def _resolve(self, source: Source, carried: Sequence[RoleGrant]) -> Permissions:
        """Return what the roles give; one that the source does not know gives nothing."""
        granted = tuple([(each, tuple(await source.role(each.role) or ())) for each in carried])
        known = self._resolved.get(granted)
        if known is None:
            known = given_by(granted)
            self._resolved.put(granted, known)
        return known
