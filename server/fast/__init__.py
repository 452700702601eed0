"""The fast path: what goes below what aiohttp promises to keep, all of it in this folder.

Ordinary requests take it; whatever else comes is aiohttp's. At start `check` looks whether the aiohttp that is
installed is as expected here. Where it is not, or `[windsock] fast_path` is False, plain aiohttp serves everything:
the same answers, only slower. Nothing outside of this folder imports more of it than this module and `use`.

`feeding` is no matter of speed: it is used wherever the few names that it needs are there.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from aiohttp import web


class Feeds(Protocol):
    """Passes what has come on to aiohttp."""

    def feed(self, connection: web.RequestHandler, data: bytes) -> None:
        """Take what has come, or (b"") go on with what waits."""

    def answered(self, request: web.BaseRequest) -> None:
        """Know that nobody reads the body of this request any more."""


class Shortcuts:
    """What others use of this folder; None is aiohttp's own way."""

    feeder: Callable[[], Feeds] | None = None
    fill: Callable[[web.Response, bytes, int, Mapping[str, str] | None], None] | None = None


SHORTCUTS = Shortcuts()
