"""HTTP as both listeners speak it: what no handler sees is answered in JSON too, and without a version."""

import logging
from collections.abc import Coroutine
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from server.answers import error_answer, http_error
from server.observe.counters import COUNTERS, NO_ROUTE

logger = logging.getLogger(__name__)


class HttpProtocol(RequestHandler):
    """Answers what is not even HTTP in JSON too, without echoing it."""

    def data_received(self, data: bytes) -> None:
        """Fail the body that is being read when what follows of it is malformed: aiohttp would wait for its end."""
        super().data_received(data)
        request = self._current_request
        if request is None or not self._messages or not isinstance(self._messages[-1][0], _ErrInfo):
            return
        if not request.content.is_eof():
            request.content.set_exception(web.RequestPayloadError("malformed"))
            self._lingering_time = 0

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that aiohttp could not parse (400), or that failed outside of every middleware."""
        if status < 500:  # noqa: PLR2004 - the client's fault
            COUNTERS.request(NO_ROUTE, "other", status, 0.0)
            response = error_answer("The request is not well-formed HTTP", status)
            response.force_close()
            return response
        if isinstance(exc, ConnectionError):
            # The client left in the middle of its request: nothing of ours is wrong.
            logger.debug("the client has gone away")
        else:
            logger.error("unexpected error", exc_info=exc)
        del request, message
        response = error_answer("Internal server error", status)
        response.force_close()
        return response

    def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> Coroutine[Any, Any, tuple[web.StreamResponse, bool]]:
        """Answer in JSON too what aiohttp raises where no middleware sees it: 417, and whatever has no middleware."""
        answer = http_error(resp) if isinstance(resp, web.HTTPException) else resp
        return super().finish_response(request, answer, start_time)
