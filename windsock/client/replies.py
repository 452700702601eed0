"""What a reply of the API, or of whatever answers in its place, says."""

import json

from windsock.client.transport import Reply
from windsock.protocol import WARNING_HEADER
from windsock.text import header_safe

_SHOWN = 500


def shown(body: bytes) -> str:
    """Return the beginning of the answer, on one line."""
    return header_safe(body[:_SHOWN].decode(errors="replace"))


def warning_of(reply: Reply) -> str | None:
    """Return the warning that the reply has, if any, on one line."""
    text = reply.headers.get(WARNING_HEADER)
    return None if text is None else header_safe(text)


def error_of(reply: Reply) -> str | None:
    """Return the text of the API's error; None if the reply has no such error."""
    try:
        text = json.loads(reply.body)["error"]
    except (ValueError, TypeError, KeyError):
        return None
    return text if isinstance(text, str) else None


def advice_on_credentials(reply: Reply) -> str:
    """Say which credentials the server wants, and where to put them."""
    if reply.headers.get("WWW-Authenticate", "").lower().startswith("negotiate"):
        return "the server wants a Kerberos ticket: run kinit, and set [api] auth_backend = kerberos_auth here too"
    return "set WINDSOCK_USERNAME and WINDSOCK_PASSWORD, or [cli] username and password, or use ~/.netrc"
