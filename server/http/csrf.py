"""Protection against cross-site request forgery (CSRF) and DNS rebinding.

A page of another web site must not use a browser's access. A browser adds credentials by itself (cookies, Basic,
Negotiate), and some servers ask for none, so without protection any page could trigger DAGs. Browsers say where a
request comes from: in `Sec-Fetch-Site`, which they send only to https and to localhost; in `Origin`, which they do not
send when they load an image; in `Referer`, which a page can suppress. Other programs send none of these headers, and
need not.
"""

import ipaddress
import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from multidict import istr

from server.errors import Forbidden
from server.http.keys import PROXIES
from server.http.proxies import Origin, read_origin
from windsock.config import Config, is_loopback
from windsock.protocol import Code

_FETCH_SITE = istr("Sec-Fetch-Site")
_OWN_SITE = frozenset({"same-origin", "none"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Every browser names its platform; programs that claim to be "Mozilla/5.0" do not.
_BROWSER = re.compile(r"Mozilla/\d\.\d \(")
# The types that the elements of a page ask for. A browser also always sends Accept-Language.
_PAGE_TYPES = re.compile(r"\b(?:text/(?:html|css)|(?:image|audio|video|font)/)")


def changes(request: web.Request, changing_gets: Collection[Callable[..., object]]) -> bool:
    """Whether the request changes something."""
    return request.method not in _SAFE_METHODS or request.match_info.handler in changing_gets


def refuse_other_sites(request: web.Request, origins: Collection[str] = ()) -> None:
    """Raise Forbidden if a request that changes something may come from a page of another site.

    That is so if its headers say so, or if a browser sent it and no header says where it comes from. Requests from
    pages of `origins` are let through.
    """
    headers = request.headers
    site, origin, referer = headers.get(_FETCH_SITE), headers.get(hdrs.ORIGIN), headers.get(hdrs.REFERER)
    source = origin if origin is not None else referer or None
    if source is None and site is None:
        if _is_browser(headers):
            raise Forbidden(
                "A browser sent this without saying from which page (no Sec-Fetch-Site, Origin or Referer), as a page"
                " of another site could do, so it may not change anything here; programs need not look like browsers",
                code=Code.CROSS_SITE,
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
            " trusted_proxies, pass on Host and set X-Forwarded-Proto",
            code=Code.CROSS_SITE,
        )


def is_from_own_page(request: web.Request) -> bool:
    """Whether a page of this server sent the request, as far as a browser says so."""
    if request.headers.get(_FETCH_SITE) == "same-origin":
        return True
    referer = request.headers.get(hdrs.REFERER)
    said = read_origin(referer) if referer else None
    return said is not None and said == request.app[PROXIES].origin(request)


def _is_own(said: Origin | None, own: Origin | None, site: str | None, *, by_referer: bool) -> bool:
    """Whether the page that sent the request is one of this server's own."""
    if said is None or own is None or said.host != own.host:
        return False
    # With same-origin the browser itself has compared the origins, which a proxy may not have passed on.
    if said == own or site == "same-origin":
        return True
    # If Go's client is redirected from http to https, it names the http URL. A browser would send Sec-Fetch-Site.
    return by_referer and site is None and (said.scheme, own.scheme) == ("http", "https")


def _is_browser(headers: Mapping[str, str]) -> bool:
    """Whether the headers look like those of a browser.

    Java's own client accepts text/html, and PowerShell calls itself Mozilla, but neither of them does both.
    """
    return bool(_BROWSER.match(headers.get(hdrs.USER_AGENT, ""))) and (
        hdrs.ACCEPT_LANGUAGE in headers or bool(_PAGE_TYPES.search(headers.get(hdrs.ACCEPT, "")))
    )


def host_rule(config: Config, *, open_to_all: bool) -> Callable[[web.Request], None] | None:
    """Return a check that raises Forbidden if `Host` is no name of this server (DNS rebinding); None: no check.

    `[windsock] allowed_hosts` lists the names. Without that list, a server that asks for no credentials and listens on
    a loopback address has only the names of loopback.
    """
    if not config.allowed_hosts and not (open_to_all and is_loopback(config.host)):
        return None
    names = (config.host.lower(), *config.allowed_hosts)
    is_own = lru_cache(maxsize=256)(lambda host: is_own_host(host, names))
    # Without the list, a proxy may use any name for this server. With it, the name that the client used counts.
    asked_for = _host_of_client if config.allowed_hosts else _given_host

    def refuse_other_hosts(request: web.Request) -> None:
        host = asked_for(request)
        if host and not is_own(host):
            raise Forbidden(
                "This server does not answer to the name in the header Host; [windsock] allowed_hosts lists the names"
                " by which callers reach it, beside localhost",
                code=Code.UNKNOWN_HOST,
            )

    return refuse_other_hosts


def _host_of_client(request: web.Request) -> str:
    return request.app[PROXIES].host(request)


def _given_host(request: web.Request) -> str:
    return request.headers.get(hdrs.HOST, "").lower()


def is_own_host(host: str, names: Collection[str]) -> bool:
    """Whether a Host header in lower case is a loopback name or one of `names`; `.a.org` covers all names below it."""
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
