"""Serves ordinary requests without most of what aiohttp does for each of them."""

from typing import Any

from aiohttp import EMPTY_PAYLOAD, HttpVersion11, StreamReader, hdrs, web
from aiohttp.http import RawRequestMessage, StreamWriter
from aiohttp.web_protocol import _ErrInfo

from server.fast.dispatch import Dispatch
from server.fast.whole_answers import whole
from server.http.answers import ALWAYS, Answer
from server.http.connection import HttpProtocol
from server.http.slow_readers import SlowReaders


class FastProtocol(HttpProtocol):
    """Serves ordinary requests in the connection's own task; aiohttp makes a new task for each, and does much besides.

    From the first request on that is not ordinary (`_is_ordinary`), aiohttp serves the connection.
    """

    def __init__(
        self,
        server: web.Server,
        readers: SlowReaders,
        app: web.Application,
        dispatch: Dispatch,
        **options: Any,  # noqa: ANN401 - aiohttp's
    ) -> None:
        """Answer requests to `app` with what `dispatch` returns."""
        super().__init__(server, readers, **options)
        self._client_max_size = app._client_max_size
        self._dispatch = dispatch
        # A whole answer does not use the writer of its request, so the next request has the same one.
        self._unused_writer: StreamWriter | None = None
        # If others want to see answers before they are sent, aiohttp sends them all.
        self._signals = bool(app.on_response_prepare)

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - aiohttp's
        """Go on reading if that was paused; aiohttp also calls this after a body that had arrived was taken."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    async def _serve_all(self) -> None:
        open_ = True
        try:
            while open_:
                if not self._messages:
                    self._waiter = self._loop.create_future()
                    try:
                        await self._waiter
                    finally:
                        self._waiter = None
                message, body = self._messages[0]
                # A request with others behind it is not ordinary either.
                if len(self._messages) > 1 or isinstance(message, _ErrInfo) or not _is_ordinary(message, body):
                    break
                self._messages.popleft()
                open_ = False
                open_ = await self._serve(message, body)
        finally:
            if not open_:
                self.force_close()
        if open_:
            await super()._serve_all()

    async def _serve(self, message: RawRequestMessage, body: StreamReader) -> bool:
        """Answer a request; return whether the connection stays open."""
        loop, task = self._loop, self._task_handler
        if self._parser is None or task is None:
            # The client left while its request was waiting for its turn.
            return False
        self._parser.message_consumed()
        writer, limit = self._unused_writer or StreamWriter(self, loop), self._client_max_size
        self._unused_writer = None
        request = web.Request(message, body, self, writer, task, loop, client_max_size=limit)
        try:
            response = await self._dispatch(request)
            if not self._write_whole(response):
                await response.prepare(request)
                await response.write_eof()
            elif self.writing_paused:
                await self._drain_helper()
            else:
                self._unused_writer = writer
        except ConnectionError:
            # The client has left.
            return False
        if not response.keep_alive:
            await self._linger()
            return False
        if self._close or self._force_close:
            return False
        self._rest()
        return True

    def _write_whole(self, response: web.StreamResponse) -> bool:
        """Write a complete answer; return whether it was written and the client is still there."""
        transport = self.transport
        if self._signals or not isinstance(response, Answer) or transport is None or transport.is_closing():
            return False
        written = whole(response, ALWAYS)
        if written is not None:
            transport.write(written)
        return written is not None

    def _rest(self) -> None:
        """Limit the wait for the next request, as aiohttp does."""
        self._keepalive = True
        end = self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(end, self._process_keepalive)


def _is_ordinary(message: RawRequestMessage, body: StreamReader) -> bool:
    """Whether a request is HTTP/1.1 and complete, and asks for nothing but its answer."""
    return (
        (body is EMPTY_PAYLOAD or body.is_eof())
        and message.version == HttpVersion11
        and not message.should_close
        and not message.upgrade
        and message.method != hdrs.METH_HEAD
        and hdrs.EXPECT not in message.headers
    )
