"""The contract of an authentication backend: a module with these names.

    async def authenticate(request: aiohttp.web.Request) -> Identity
        The one thing that every backend has. Answers who is asking, or raises `server.errors.Unauthorized` (401: no
        usable credentials; `headers={"WWW-Authenticate": ...}` say what would be) or `server.errors.Forbidden`
        (403: the credentials are refused). Any other exception of `server.errors` is answered with its status.
    async def startup(app: aiohttp.web.Application) -> None
        Before the first request; `app[server.resources.CONFIG]` is the configuration. StartupError stops the start.
    async def cleanup(app: aiohttp.web.Application) -> None
        After the last request.
    async def session_stamp(app: aiohttp.web.Application, user: str) -> str | None
        What a session of that user hangs on: sessions end when the text changes, or when it is None (no such user).
        Without it sessions end with their lifetime alone.
    def client_auth(config: server.config.Config) -> server.client.auth.ClientAuth
        The other side: how the command line shows who it is. Without it: user and password.
    CHECK_HOST: bool
        Whether requests are refused whose `Host` is not this server's own: for backends that ask for nothing.

All but `authenticate` may be missing. `authenticate` runs on the event loop: what blocks belongs into a thread.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking: `user` is None under a backend that does not ask; `headers` go with the answer."""

    user: str | None
    headers: Mapping[str, str] = field(default_factory=dict)


class Backend(Protocol):
    """What a backend module offers; the optional names are in the description of this module."""

    async def authenticate(self, request: web.Request) -> Identity:
        """Answer who is asking, or raise Unauthorized or Forbidden."""
