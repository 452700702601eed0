"""HTTP as both listeners speak it: what no handler sees is answered in JSON too, and without a version."""

import asyncio
import logging
from typing import Any, cast

from aiohttp import HttpVersion11, StreamReader, hdrs, web
from aiohttp.http import RawRequestMessage, StreamWriter
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from server.answers import Answer, error_answer, http_error
from server.dispatch import Dispatch
from server.observe.counters import COUNTERS, NO_ROUTE
from server.slow_readers import SlowReaders

logger = logging.getLogger(__name__)


class HttpProtocol(RequestHandler):
    """Answers what is not even HTTP in JSON too, without echoing it, and waits for no client for ever."""

    def __init__(self, server: web.Server, readers: SlowReaders, **options: Any) -> None:  # noqa: ANN401 - aiohttp's
        """Serve a connection of `server`; `readers` bounds the waits for its client."""
        super().__init__(server, **options)
        self._readers = readers
        self._socket: asyncio.Transport | None = None
        self._ended = self._reads_later = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; aiohttp forgets its transport before the last of what was written is read."""
        self._socket = cast("asyncio.Transport", transport)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End: nobody is waited for any more."""
        if self._socket is not None:
            self._readers.discard(self._socket)
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

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Answer in JSON too what aiohttp raises where no middleware sees it: 417, and whatever has no middleware."""
        answer = http_error(resp) if isinstance(resp, web.HTTPException) else resp
        if request.version < HttpVersion11 and hdrs.TRANSFER_ENCODING in request.headers:
            # Its end may not be where it seems to be (RFC 9112, section 6.1).
            answer.force_close()
        finished = await super().finish_response(request, answer, start_time)
        # aiohttp's parser stops at 32 requests, but goes on by itself only if as many wait in its queue: a body that
        # came late is one of the 32, and waits nowhere.
        self.data_received(b"")
        return finished


class ApiProtocol(HttpProtocol):
    """Serves ordinary requests in the connection's own task; aiohttp makes another one of each, and does much besides.

    From the first request on that is not ordinary (`_is_ordinary`) the connection is aiohttp's.
    """

    def __init__(
        self,
        server: web.Server,
        readers: SlowReaders,
        app: web.Application,
        dispatch: Dispatch,
        **options: Any,  # noqa: ANN401 - aiohttp's
    ) -> None:
        """Answer what is asked of `app` with what `dispatch` answers."""
        super().__init__(server, readers, **options)
        self._client_max_size = app._client_max_size  # noqa: SLF001 - where aiohttp has it
        self._dispatch = dispatch
        # Where others want to see an answer before it is sent, aiohttp sends them all.
        self._signals = bool(app.on_response_prepare)

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - aiohttp's
        """Go on reading if that was paused; aiohttp also asks for it when a body that was there has been taken."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    async def _serve_all(self) -> None:
        open_ = True
        try:
            while open_ and (message := await self._next_if_ordinary()) is not None:
                open_ = False
                open_ = await self._serve(message, self._messages.popleft()[1])
        finally:
            if not open_:
                self.force_close()
        if open_:
            await super()._serve_all()

    async def _next_if_ordinary(self) -> RawRequestMessage | None:
        """Wait for a request, and leave it where it is; one that others are waiting behind is not ordinary either."""
        if not self._messages:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message, body = self._messages[0]
        if isinstance(message, _ErrInfo) or len(self._messages) > 1 or not _is_ordinary(message, body):
            return None
        return message

    async def _serve(self, message: RawRequestMessage, body: StreamReader) -> bool:
        """Answer a request; returns whether the connection stays open."""
        loop, task = self._loop, self._task_handler
        if self._parser is None or task is None:
            # The client went while its request waited for its turn.
            return False
        self._parser.message_consumed()
        writer, limit = StreamWriter(self, loop), self._client_max_size
        request = web.Request(message, body, self, writer, task, loop, client_max_size=limit)
        try:
            response = await self._dispatch(request)
            await self._send(request, response)
        except ConnectionError:
            # The client has gone.
            return False
        if self._close or self._force_close or not response.keep_alive:
            return False
        self._rest()
        return True

    async def _send(self, request: web.Request, response: web.StreamResponse) -> None:
        if not self._write_whole(response):
            await response.prepare(request)
            await response.write_eof()
        elif self.writing_paused:
            await self._drain_helper()

    def _write_whole(self, response: web.StreamResponse) -> bool:
        """Write an answer that is there as a whole; returns whether it was, and somebody is there."""
        transport = self.transport
        if self._signals or not isinstance(response, Answer) or transport is None or transport.is_closing():
            return False
        whole = response.whole()
        if whole is not None:
            transport.write(whole)
        return whole is not None

    def _rest(self) -> None:
        """Bound the wait for the next request, as aiohttp does."""
        self._keepalive = True
        end = self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(end, self._process_keepalive)


def _is_ordinary(message: RawRequestMessage, body: StreamReader) -> bool:
    """Tell whether a request is HTTP/1.1 and there as a whole, and its answer is all that it asks for."""
    return (
        body.is_eof()
        and message.version == HttpVersion11
        and not message.should_close
        and not message.upgrade
        and message.method != hdrs.METH_HEAD
        and hdrs.EXPECT not in message.headers
    )
