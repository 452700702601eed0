"""HTTP as both listeners speak it: errors that no handler sees are answered in JSON too, without a version.

This module uses only the public parts of aiohttp. `server.fast` uses private ones.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Any, cast

from aiohttp import HttpVersion11, hdrs, web

from server.http.answers import error_answer, http_error
from server.http.shortcuts import SHORTCUTS
from server.http.slow_readers import SlowReaders, bound_buffer
from server.metrics.counters import COUNTERS, NO_ROUTE
from windsock.protocol import Code

logger = logging.getLogger(__name__)

_LINGER = 2.0


class HttpProtocol(web.RequestHandler):
    """Answers malformed HTTP in JSON too, without echoing it, and waits for no client for ever."""

    def __init__(self, server: web.Server, readers: SlowReaders, **options: Any) -> None:  # noqa: ANN401 - aiohttp's
        """Serve a connection of `server`; `readers` limits how long it waits for its client."""
        super().__init__(server, **options)
        self._readers = readers
        self._socket: asyncio.Transport | None = None
        self._ended = self._reads_later = False
        self._lingering: asyncio.Future[None] | None = None
        self._feeder = None if SHORTCUTS.feeder is None else SHORTCUTS.feeder()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; this keeps the transport, which aiohttp forgets before the client has read the last bytes."""
        self._socket = cast("asyncio.Transport", transport)
        bound_buffer(self._socket)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End, and no longer wait for the client."""
        if self._socket is not None:
            self._readers.discard(self._socket)
        if self._lingering is not None and not self._lingering.done():
            self._lingering.set_result(None)
        super().connection_lost(exc)

    async def start(self) -> None:
        """Serve the connection until it ends, and limit how long it may then linger."""
        try:
            await self._serve_all()
        finally:
            self._ended = True
            if self._socket is not None and self._socket.get_write_buffer_size():
                self._readers.add(self._socket)

    async def _serve_all(self) -> None:
        await super().start()

    async def _linger(self) -> None:
        """Before the connection closes, let its client read the last answer (RFC 9112, section 9.6).

        If a socket closes while it has unread input, it is reset, and the output that it still had to send is lost.
        """
        transport = self.transport
        if transport is None or transport.is_closing() or not transport.can_write_eof():
            return
        self._lingering = asyncio.get_running_loop().create_future()
        transport.write_eof()
        if not transport.is_reading():
            transport.resume_reading()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                await self._lingering
        self.force_close()

    def pause_writing(self) -> None:
        """Wait for the client to read, for a limited time; meanwhile take no more requests from it."""
        super().pause_writing()
        if (sock := self._socket) is not None:
            self._readers.add(sock)
            self._reads_later = sock.is_reading()
            if self._reads_later:
                sock.pause_reading()

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        super().resume_writing()
        if (sock := self._socket) is not None and not self._ended:
            self._readers.discard(sock)
            if self._reads_later:
                sock.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Take new bytes; good requests before a malformed one are served first, if this aiohttp allows it."""
        if self._lingering is not None:
            return
        if self._feeder is None:
            super().data_received(data)
        else:
            self._feeder.feed(self, data)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that aiohttp could not parse (400), or that failed outside of every middleware.

        Raises ConnectionError if the client has gone: aiohttp then ends the connection.
        """
        if status < 500:  # noqa: PLR2004 - the client's fault
            COUNTERS.request(NO_ROUTE, "other", status, 0.0)
            response = error_answer(Code.INVALID_REQUEST, "The request is not well-formed HTTP", status)
            response.force_close()
            return response
        if isinstance(exc, ConnectionError):
            # The client left in the middle of its request: this is not an error of ours.
            logger.debug("the client has gone away")
            raise exc
        logger.error("unexpected error", exc_info=exc)
        del request, message
        response = error_answer(Code.INTERNAL_ERROR, "Internal server error", status)
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Answer in JSON too what aiohttp raises outside of middlewares: 417, and anything if there are none."""
        answer = http_error(resp) if isinstance(resp, web.HTTPException) else resp
        unsure = request.version < HttpVersion11 and hdrs.TRANSFER_ENCODING in request.headers
        if unsure or answer.headers.get(hdrs.CONNECTION) == "close":
            # The request may not end where it seems to (RFC 9112, section 6.1), or its end is still to come.
            answer.force_close()
        finished = await super().finish_response(request, answer, start_time)
        if self._feeder is not None:
            self._feeder.answered(request)
        if not answer.keep_alive:
            await self._linger()
            return finished
        # aiohttp's parser stops after 32 requests, and goes on by itself only if all 32 wait in its queue. A request
        # whose body came late is one of the 32 but does not wait in the queue.
        self.data_received(b"")
        return finished
