"""Keeping other web sites out of a browser's access to this server.

Credentials that a browser adds by itself (cookies, Basic, Negotiate), and above all a server that asks for none,
would let any page trigger DAGs. Browsers say where a request comes from; scripts and curl say nothing and are not
concerned.
"""

import ipaddress
from collections.abc import Callable, Collection
from functools import lru_cache
from urllib.parse import urlsplit

from aiohttp import web

from server.errors import Forbidden
from server.resources import PROXIES

_OWN_SITE = frozenset({"same-origin", "none"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def changes(request: web.Request, changing_gets: Collection[Callable[..., object]]) -> bool:
    """Whether the request is one that changes something."""
    return request.method not in _SAFE_METHODS or request.match_info.handler in changing_gets


def refuse_other_sites(request: web.Request, origins: Collection[str] = ()) -> None:
    """Raise Forbidden when a request, one that changes something, comes from a page of another site than `origins`."""
    headers = request.headers
    site = headers.get("Sec-Fetch-Site")
    origin = headers.get("Origin")
    if origin is not None and origin in origins:
        return
    if (site is not None and site not in _OWN_SITE) or (
        origin is not None and _netloc(origin) != request.app[PROXIES].host(request)
    ):
        raise Forbidden("Requests from other web sites' pages may not change anything here")


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        # Nothing that a browser would send.
        return None


def refuse_other_hosts(request: web.Request, own_host: str) -> None:
    """Raise Forbidden when `Host` is a name that is not this server's own (DNS rebinding)."""
    host = request.headers.get("Host")
    if not host or is_own_host(host, own_host):
        return
    raise Forbidden(
        "This server asks for no credentials and so answers to its own address only (localhost);"
        " to serve it under another name choose an [api] auth_backend that asks for them"
    )


@lru_cache(maxsize=256)
def is_own_host(host: str, own_host: str) -> bool:
    """Whether a Host header names a loopback address or the host that this server was told to listen on."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name in {"localhost", own_host} or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
