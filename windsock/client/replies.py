"""What a reply of the API, or of whatever answers in its place, says."""

import json
from typing import NamedTuple

from windsock.client import old_servers
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


class Said(NamedTuple):
    """An error as the API says it: the text is for people, the code for programs.

    The text is None if whatever answers is not the API. If the server `has_codes`, it is a Windsock of today.
    """

    text: str | None
    code: str | None
    has_codes: bool


def error_of(reply: Reply) -> Said:
    """Read the API's error. Without a code from the server, the text that the server is known for stands for one."""
    try:
        body = json.loads(reply.body)
        text, code = body["error"], body.get("code")
    except (ValueError, TypeError, KeyError, AttributeError):
        return Said(None, None, has_codes=False)
    if not isinstance(text, str):
        return Said(None, None, has_codes=False)
    if isinstance(code, str):
        return Said(text, code, has_codes=True)
    return Said(text, old_servers.code_of(reply.status, text), has_codes=False)


def advice_on_credentials(reply: Reply) -> str:
    """Say which credentials the server wants, and where to put them."""
    if reply.headers.get("WWW-Authenticate", "").lower().startswith("negotiate"):
        return "the server wants a Kerberos ticket: run kinit, and set [api] auth_backend = kerberos_auth here too"
    return "set WINDSOCK_USERNAME and WINDSOCK_PASSWORD, or [cli] username and password, or use ~/.netrc"
