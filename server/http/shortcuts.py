"""Where the fast path, if there is one, puts what it does quicker than aiohttp; None means aiohttp's own way."""

from collections.abc import Callable, Mapping
from typing import Protocol

from aiohttp import web


class Feeds(Protocol):
    """Passes received bytes on to aiohttp."""

    def feed(self, connection: web.RequestHandler, data: bytes) -> None:
        """Take received bytes, or (b"") go on with those that wait."""

    def answered(self, request: web.BaseRequest) -> None:
        """Note that nobody reads the body of this request any more."""


class Shortcuts:
    """What `server.http` uses of the fast path."""

    feeder: Callable[[], Feeds] | None = None
    fill: Callable[[web.Response, bytes, int, Mapping[str, str] | None], None] | None = None


SHORTCUTS = Shortcuts()
