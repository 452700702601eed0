"""The fast path: what goes below what aiohttp promises to keep, all of it in this folder.

Ordinary requests take it; whatever else comes is aiohttp's. At start `check` looks whether the aiohttp that is
installed is as expected here. Where it is not, or `[windsock] fast_path` is False, plain aiohttp serves everything:
the same answers, only slower. Nothing outside of this folder imports more of it than this module and `use`.

`malformed` is no matter of speed: it is used wherever the few names that it needs are there.
"""

from collections.abc import Callable, Mapping

from aiohttp import web


class Shortcuts:
    """What others use of this folder; None is aiohttp's own way."""

    fail_malformed_body: Callable[[web.RequestHandler], None] | None = None
    fill: Callable[[web.Response, bytes, int, Mapping[str, str] | None], None] | None = None


SHORTCUTS = Shortcuts()
