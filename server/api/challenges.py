"""Challenges (`WWW-Authenticate`) for the page, which has a form: a browser must not open its own dialog over it."""

from aiohttp import hdrs, web
from multidict import CIMultiDict

from server.errors import Unauthorized, WindsockError
from server.http.csrf import is_from_own_page
from server.http.keys import CONFIG, PAGE_HEADER

# A 401 needs a challenge (RFC 9110, 15.5.2), and browsers do nothing about a scheme that they do not know.
_BY_FORM = 'Windsock-Session realm="Windsock"'


def spare_dialog(error: WindsockError, request: web.Request) -> None:
    """Leave in a 401 for the page the one challenge that a browser answers without a dialog, Kerberos's.

    The page says that it asks; where it cannot (streams of events, links), the browser says so.
    """
    if not request.app[CONFIG].page or not isinstance(error, Unauthorized):
        return
    if PAGE_HEADER in request.headers or is_from_own_page(request):
        headers = CIMultiDict[str](error.headers)
        challenges = headers.popall(hdrs.WWW_AUTHENTICATE, [])
        kept = [challenge for challenge in challenges if challenge.strip().lower() == "negotiate"]
        headers.extend((hdrs.WWW_AUTHENTICATE, challenge) for challenge in kept or [_BY_FORM])
        error.headers = headers
