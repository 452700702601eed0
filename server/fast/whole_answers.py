"""Answers that are made and written in one step each."""

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web
from aiohttp.helpers import rfc822_formatted_time
from multidict import CIMultiDict

_REASONS = {each.value: each.phrase for each in HTTPStatus}


def fill(answer: web.Response, body: bytes, status: int, headers: Mapping[str, str] | None) -> None:
    """Begin an answer as aiohttp does, without what it does for other kinds of bodies, statuses and reasons."""
    answer._state = {}
    answer._headers = CIMultiDict(headers) if headers else CIMultiDict()
    answer._status, answer._reason = status, _REASONS.get(status, "")
    answer._body = body


def whole(answer: web.Response, always: str) -> bytes | None:
    """Return head and body for HTTP/1.1 on a connection that stays open; None if aiohttp must write them.

    `always` has the header lines of every answer. aiohttp must write answers with cookies and those that end the
    connection, and it refuses headers that contain line ends.
    """
    body = answer._body
    if answer._keep_alive is not None or answer._cookies or answer._eof_sent or not isinstance(body, bytes):
        return None
    head = f"HTTP/1.1 {answer._status} {answer._reason}\r\n{always}Content-Length: {len(body)}\r\n"
    for name, value in answer._headers.items():
        line = f"{name}: {value}"
        if not line.isprintable():
            return None
        head += f"{line}\r\n"
    answer._keep_alive = answer._eof_sent = True
    return f"{head}Date: {rfc822_formatted_time()}\r\n\r\n".encode() + body
