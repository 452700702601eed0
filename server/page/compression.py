"""Compresses the API's answers to the page, so that its first load stays small; other callers get them as ever.

What is compressed together with a secret can be guessed by its length (BREACH). These answers have no secret that
another site could look for: such a site can neither set the page's header nor see the lengths of single answers.
"""

import gzip

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from server.http.answers import Answer
from server.http.keys import PAGE_HEADER
from server.page.answers import reads_gzip

# A shorter answer fits into one packet as it is.
_LEAST = 1024
# It takes a third of the time of the usual level, and JSON becomes nearly as short.
_LEVEL = 1


@web.middleware
async def compress_for_page(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Compress a whole JSON answer to a request of the page; logs stay as they are, because their bytes count."""
    response = await handler(request)
    if (
        PAGE_HEADER in request.headers
        and isinstance(response, Answer)
        and response.status == web.HTTPOk.status_code
        and isinstance(response.body, bytes)
        and len(response.body) >= _LEAST
        and reads_gzip(request)
    ):
        response.body = gzip.compress(response.body, _LEVEL, mtime=0)
        response.headers[hdrs.CONTENT_ENCODING] = "gzip"
        response.headers[hdrs.VARY] = "Accept-Encoding"
    return response
