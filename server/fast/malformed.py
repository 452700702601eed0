"""Bodies that go wrong half-way: aiohttp knows at once, but lets whoever reads one wait for its end."""

from aiohttp import web
from aiohttp.web_protocol import _ErrInfo


def fail_malformed_body(connection: web.RequestHandler) -> None:
    """Fail the body that is being read when what followed of it could not be parsed."""
    request = connection._current_request
    if request is None or not connection._messages or not isinstance(connection._messages[-1][0], _ErrInfo):
        return
    if not request.content.is_eof():
        request.content.set_exception(web.RequestPayloadError("malformed"))
        connection._lingering_time = 0
