"""The fast path: everything that uses private parts of aiohttp, all of it in this folder.

Ordinary requests take it; aiohttp serves all others. At the start `check` tests whether the installed aiohttp is as
expected here. If it is not, or if `[windsock] fast_path` is False, plain aiohttp serves everything: with the same
answers, only slower. Modules outside of this folder import only this module and `use`.

`feeding` is not about speed: it is used if the few names that it needs exist.
"""

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
    """What other modules use of this folder; None means aiohttp's own way."""

    feeder: Callable[[], Feeds] | None = None
    fill: Callable[[web.Response, bytes, int, Mapping[str, str] | None], None] | None = None


SHORTCUTS = Shortcuts()
