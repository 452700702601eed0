"""HTTP as both listeners speak it: what no handler sees is answered in JSON too, and without a version.

Of aiohttp it takes what anybody may use. `server.fast` has what goes further.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Any, cast

from aiohttp import HttpVersion11, hdrs, web

from server.answers import error_answer, http_error
from server.fast import SHORTCUTS
from server.observe.counters import COUNTERS, NO_ROUTE
from server.slow_readers import SlowReaders, bound_buffer

logger = logging.getLogger(__name__)

_LINGER = 2.0


class HttpProtocol(web.RequestHandler):
    """Answers what is not even HTTP in JSON too, without echoing it, and waits for no client for ever."""

    def __init__(self, server: web.Server, readers: SlowReaders, **options: Any) -> None:  # noqa: ANN401 - aiohttp's
        """Serve a connection of `server`; `readers` bounds the waits for its client."""
        super().__init__(server, **options)
        self._readers = readers
        self._socket: asyncio.Transport | None = None
        self._ended = self._reads_later = False
        self._lingering: asyncio.Future[None] | None = None
        self._feeder = None if SHORTCUTS.feeder is None else SHORTCUTS.feeder()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; aiohttp forgets its transport before the last of what was written is read."""
        self._socket = cast("asyncio.Transport", transport)
        bound_buffer(self._socket)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End: nobody is waited for any more."""
        if self._socket is not None:
            self._readers.discard(self._socket)
        if self._lingering is not None and not self._lingering.done():
            self._lingering.set_result(None)
        super().connection_lost(exc)

    async def start(self) -> None:
        """Serve the connection until it ends; what is left to be read then is not kept for ever."""
        try:
            await self._serve_all()
        finally:
            self._ended = True
            if self._socket is not None and self._socket.get_write_buffer_size():
                self._readers.add(self._socket)

    async def _serve_all(self) -> None:
        await super().start()

    async def _linger(self) -> None:
        """Before the connection is closed, let its client read the last answer (RFC 9112, section 9.6).

        A socket that is closed while something unread waits in it is reset, and what it still had to send is lost.
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
        """Wait for the client to read, within limits, and take no more requests of it meanwhile."""
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
        """Take what has come; what is right of it is served before what is malformed, where this aiohttp lets us."""
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

        Raises ConnectionError where nobody is there to be answered: aiohttp ends the connection.
        """
        if status < 500:  # noqa: PLR2004 - the client's fault
            COUNTERS.request(NO_ROUTE, "other", status, 0.0)
            response = error_answer("The request is not well-formed HTTP", status)
            response.force_close()
            return response
        if isinstance(exc, ConnectionError):
            # The client left in the middle of its request: nothing of ours is wrong.
            logger.debug("the client has gone away")
            raise exc
        logger.error("unexpected error", exc_info=exc)
        del request, message
        response = error_answer("Internal server error", status)
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Answer in JSON too what aiohttp raises where no middleware sees it: 417, and whatever has no middleware."""
        answer = http_error(resp) if isinstance(resp, web.HTTPException) else resp
        unsure = request.version < HttpVersion11 and hdrs.TRANSFER_ENCODING in request.headers
        if unsure or answer.headers.get(hdrs.CONNECTION) == "close":
            # The end of the request may not be where it seems to be (RFC 9112, section 6.1), or is still to come.
            answer.force_close()
        finished = await super().finish_response(request, answer, start_time)
        if self._feeder is not None:
            self._feeder.answered(request)
        if not answer.keep_alive:
            await self._linger()
            return finished
        # aiohttp's parser stops at 32 requests, but goes on by itself only if as many wait in its queue: a body that
        # came late is one of the 32, and waits nowhere.
        self.data_received(b"")
        return finished
