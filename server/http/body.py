"""Reads request bodies, within limits of size and time."""

import asyncio

from aiohttp import hdrs, web

from server.errors import BadRequest, PayloadTooLarge, RequestTimeout, UnsupportedMediaType
from server.http.keys import CONFIG
from windsock.text import count


async def read_body(request: web.Request) -> bytes:
    """Return the whole body; raises what is wrong with it (400, 408, 413, 415) without reading more than needed."""
    config = request.app[CONFIG]
    encoding = request.headers.get(hdrs.CONTENT_ENCODING)
    if encoding is not None and encoding.lower() != "identity":
        raise UnsupportedMediaType("The request body must be plain JSON, without Content-Encoding")
    if (request.content_length or 0) > config.max_body_size:
        raise _too_large(config.max_body_size)
    try:
        # A small body arrives together with its headers: then there is nothing to wait for.
        arrived = request.content.is_eof()
        body = request.content.read_nowait() if arrived else await _read(request, config.body_timeout)
    except web.HTTPRequestEntityTooLarge as error:
        raise _too_large(config.max_body_size) from error
    except web.RequestPayloadError as error:
        raise BadRequest("The request body is not well-formed HTTP", {"Connection": "close"}) from error
    if len(body) > config.max_body_size:
        raise _too_large(config.max_body_size)
    return body


async def _read(request: web.Request, seconds: float) -> bytes:
    try:
        async with asyncio.timeout(seconds):
            return await request.read()
    except TimeoutError as error:
        message = f"The request body did not arrive within {count(seconds, 'second')}"
        raise RequestTimeout(message, {"Connection": "close"}) from error


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The request body must be at most {limit} bytes long")
