"""Cross-site request forgery (CSRF) and DNS rebinding: other web sites' pages must not use a browser's access.

Credentials that a browser adds by itself (cookies, Basic, Negotiate), and above all a server that asks for none,
would let any page trigger DAGs. Browsers say where a request comes from: in `Sec-Fetch-Site`, which they send to https
and to localhost only; in `Origin`, which they do not send with an image; in `Referer`, which a page can leave out.
Callers that are no browsers send none of these and need none.
"""

import ipaddress
import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from multidict import istr

from server.config import Config, is_loopback
from server.errors import Forbidden
from server.proxies import Origin, read_origin
from server.resources import PROXIES

_FETCH_SITE = istr("Sec-Fetch-Site")
_OWN_SITE = frozenset({"same-origin", "none"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Every browser names its platform; programs that only say "Mozilla/5.0" do not.
_BROWSER = re.compile(r"Mozilla/\d\.\d \(")
# What the elements of a page ask for; each browser also says its languages, always.
_PAGE_TYPES = re.compile(r"\b(?:text/(?:html|css)|(?:image|audio|video|font)/)")


def changes(request: web.Request, changing_gets: Collection[Callable[..., object]]) -> bool:
    """Whether the request is one that changes something."""
    return request.method not in _SAFE_METHODS or request.match_info.handler in changing_gets


def refuse_other_sites(request: web.Request, origins: Collection[str] = ()) -> None:
    """Raise Forbidden when a request, one that changes something, may be the work of a page of another site.

    It may be when it says so, and when a browser sent it and does not say otherwise. Pages of `origins` are welcome.
    """
    headers = request.headers
    site, origin, referer = headers.get(_FETCH_SITE), headers.get(hdrs.ORIGIN), headers.get(hdrs.REFERER)
    source = origin if origin is not None else referer or None
    if source is None and site is None:
        if _is_browser(headers):
            raise Forbidden(
                "A browser sent this without saying from which page (no Sec-Fetch-Site, Origin or Referer), as a page"
                " of another site could do, so it may not change anything here; programs need not look like browsers"
            )
        return
    said = read_origin(source) if source is not None else None
    if said is not None and str(said) in origins:
        return
    if (site is not None and site not in _OWN_SITE) or (
        source is not None and not _is_own(said, request.app[PROXIES].origin(request), site, by_referer=origin is None)
    ):
        raise Forbidden(
            "Requests from other web sites' pages may not change anything here; a proxy must be in [windsock]"
            " trusted_proxies, pass on Host and set X-Forwarded-Proto"
        )


def _is_own(said: Origin | None, own: Origin | None, site: str | None, *, by_referer: bool) -> bool:
    """Whether a page that says where it is from is one of this server itself."""
    if said is None or own is None or said.host != own.host:
        return False
    # With same-origin the browser has compared what a proxy may not have passed on.
    if said == own or site == "same-origin":
        return True
    # Go's client names what redirected it from http to https. A browser would send Sec-Fetch-Site to https.
    return by_referer and site is None and (said.scheme, own.scheme) == ("http", "https")


def _is_browser(headers: Mapping[str, str]) -> bool:
    """Whether the headers are like those of a browser's request.

    Java's own client accepts text/html, and PowerShell calls itself Mozilla: neither does both.
    """
    return bool(_BROWSER.match(headers.get(hdrs.USER_AGENT, ""))) and (
        hdrs.ACCEPT_LANGUAGE in headers or bool(_PAGE_TYPES.search(headers.get(hdrs.ACCEPT, "")))
    )


def host_rule(config: Config, *, open_to_all: bool) -> Callable[[web.Request], None] | None:
    """Return what raises Forbidden for a `Host` that is no name of this server (DNS rebinding); None: any will do.

    `[windsock] allowed_hosts` are the names. Without them a server on a loopback address that asks for no credentials
    has those of loopback alone.
    """
    if not config.allowed_hosts and not (open_to_all and is_loopback(config.host)):
        return None
    names = (config.host.lower(), *config.allowed_hosts)
    is_own = lru_cache(maxsize=256)(lambda host: is_own_host(host, names))

    def refuse_other_hosts(request: web.Request) -> None:
        # Without a list of names a proxy may call this server as it likes; with one, it is the client who asks.
        given = request.app[PROXIES].host if config.allowed_hosts else _given_host
        host = given(request)
        if host and not is_own(host):
            raise Forbidden(
                "This server does not answer to the name in the header Host; [windsock] allowed_hosts lists the names"
                " by which callers reach it, beside localhost"
            )

    return refuse_other_hosts


def _given_host(request: web.Request) -> str:
    return request.headers.get(hdrs.HOST, "").lower()


def is_own_host(host: str, names: Collection[str]) -> bool:
    """Whether a Host header, in lower case, is a loopback name or one of `names`; `.a.org` is all below too."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:
        return False
    if not name or name == "localhost" or name in names:
        return bool(name)
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return any(f".{name}".endswith(suffix) for suffix in names if suffix.startswith("."))
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or str(address) in names
