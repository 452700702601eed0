"""The contract of an authentication backend: a module with these names.

    async def authenticate(request: aiohttp.web.Request) -> Identity
        Required. Returns who the caller is, or raises `server.errors.Unauthorized` (401: no usable credentials;
        `headers={"WWW-Authenticate": ...}` say which ones would be) or `server.errors.Forbidden` (403: the credentials
        are refused). Any other exception of `server.errors` is answered with its status.
    async def startup(app: aiohttp.web.Application) -> None
        Runs before the first request; `app[server.http.keys.CONFIG]` is the configuration. StartupError stops the
        start.
    async def cleanup(app: aiohttp.web.Application) -> None
        Runs after the last request.
    async def session_stamp(app: aiohttp.web.Application, user: str) -> str | None
        Returns a text that the user's sessions depend on: they end when it changes, or when it is None (no such user).
        Without it sessions end only with their lifetime.
    async def roles(app: aiohttp.web.Application, user: str) -> Sequence[server.auth.permissions.RoleGrant] | None
        Returns the roles that the credentials themselves carry; these count whatever `[windsock] authorization` is.
        Without it, or if it is None, that option alone decides what the user may do.
    KIND: str
        The section of the permissions file in which the names stand: `users` (the default), `principals` or `tokens`;
        `anyone`, for a backend that lets everybody in, who then may do everything; `nobody`, if it lets nobody in.
    def client_auth(config: windsock.config.Config) -> windsock.client.auth.ClientAuth
        The client's side: how the command line authenticates. Without it, it sends user and password.
    SCHEMES: tuple[str, ...]
        The scheme words of `Authorization` that are for this backend, in lower case: ("bearer",); "*" stands for any
        word that is for no other backend. With several backends the word of a request chooses one. A request without
        that header is shown to each of them. A backend without SCHEMES can only be used alone.
    CHECK_HOST: bool
        Whether requests are refused if their `Host` is not this server's own: for backends that ask for no credentials.

All but `authenticate` may be missing. `authenticate` runs on the event loop, so put calls that block into a thread.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

ANY_SCHEME = "*"
ANYONE = "anyone"
"""The KIND of a backend whose callers may do everything, whoever they are."""
NOBODY = "nobody"
"""The KIND of a backend that refuses everybody, so that the page offers nobody to sign in."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the caller is: `user` is None if the backend does not ask; `headers` are added to the answer.

    `backend` is the dotted name of the module that has said so; Windsock adds it. `realm` is that of a Kerberos
    principal, also where `user` is without it.
    """

    user: str | None
    headers: Mapping[str, str] = field(default_factory=dict)
    backend: str = ""
    realm: str | None = None


class Backend(Protocol):
    """What a backend module offers; the description of this module has the optional names."""

    async def authenticate(self, request: web.Request) -> Identity:
        """Return who the caller is, or raise Unauthorized or Forbidden."""
