"""Reading request bodies, within limits of size and time."""

import asyncio

from aiohttp import web

from server.errors import BadRequest, PayloadTooLarge, RequestTimeout, UnsupportedMediaType
from server.resources import CONFIG


async def read_body(request: web.Request) -> bytes:
    """Return the whole body; raises what is wrong with it (400, 408, 413, 415) before reading more than needed."""
    config = request.app[CONFIG]
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise UnsupportedMediaType("The request body must be plain JSON, without Content-Encoding")
    too_large = PayloadTooLarge(f"The request body must be at most {config.max_body_size} bytes long")
    if (request.content_length or 0) > config.max_body_size:
        raise too_large
    try:
        if request.content.is_eof():
            # Small bodies are there with their headers: nothing to wait for.
            return await request.read()
        async with asyncio.timeout(config.body_timeout):
            return await request.read()
    except TimeoutError as error:
        raise RequestTimeout(
            f"The request body did not arrive within {config.body_timeout:g} seconds", {"Connection": "close"}
        ) from error
    except web.HTTPRequestEntityTooLarge as error:
        raise too_large from error
    except web.RequestPayloadError as error:
        raise BadRequest("The request body is not well-formed HTTP", {"Connection": "close"}) from error
