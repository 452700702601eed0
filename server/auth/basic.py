"""HTTP Basic credentials (RFC 7617)."""

import base64
import binascii
from collections.abc import Mapping

from aiohttp import web

from server.errors import Unauthorized

CHALLENGE: Mapping[str, str] = {"WWW-Authenticate": 'Basic realm="Windsock", charset="UTF-8"'}


def credentials(request: web.Request) -> tuple[str, str]:
    """Return user and password; raises Unauthorized where there are none, or none that can be read."""
    sent = request.headers.getall("Authorization", ())
    if not sent or not any(sent):
        raise Unauthorized("Unauthorized: this server asks for a user name and a password", CHALLENGE)
    if len(sent) > 1:
        raise Unauthorized("Unauthorized: there is more than one Authorization header", CHALLENGE)
    scheme, _, encoded = sent[0].partition(" ")
    if scheme.lower() != "basic":
        raise Unauthorized("Unauthorized: this server takes the scheme Basic only", CHALLENGE)
    try:
        # Only the first colon divides: a password may have others.
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise Unauthorized("Unauthorized: the credentials are not base64 of UTF-8", CHALLENGE) from None
    if not colon:
        raise Unauthorized("Unauthorized: the credentials lack the colon between user and password", CHALLENGE)
    return user, password
