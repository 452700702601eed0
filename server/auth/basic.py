"""HTTP Basic credentials (RFC 7617) with any scheme word: Airflow never looked at it, and callers send `token`."""

import base64
import binascii
from collections.abc import Mapping

from aiohttp import hdrs, web

from server.errors import Unauthorized

CHALLENGE: Mapping[str, str] = {"WWW-Authenticate": 'Basic realm="Windsock", charset="UTF-8"'}


def credentials(request: web.Request) -> tuple[str, str]:
    """Return user and password; raises Unauthorized if there are none, or if they cannot be read."""
    sent = request.headers.getall(hdrs.AUTHORIZATION, ())
    if not sent or not any(sent):
        raise Unauthorized("Unauthorized: this server asks for a user name and a password", CHALLENGE)
    if len(sent) > 1:
        raise Unauthorized("Unauthorized: there is more than one Authorization header", CHALLENGE)
    _, _, encoded = sent[0].strip().partition(" ")
    try:
        # Only the first colon separates: a password may have others.
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        user, colon, password = "", "", ""
    if not colon:
        raise Unauthorized("Unauthorized: this server takes Basic and the base64 of user:password in UTF-8", CHALLENGE)
    return user, password
