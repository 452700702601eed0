"""Pipelines and bodies that go wrong half-way: good requests are served as if nothing malformed came after them.

aiohttp's parser forgets what it has read of a segment if the rest of it is malformed: for a good and a malformed
request it sends one answer, a 400. And a reader of a body may wait for an end that will never come.
"""

import re

from aiohttp import EMPTY_PAYLOAD, StreamReader, web
from aiohttp.web_protocol import _ErrInfo

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\nContent-Length: ?(\d{1,9})\r\n", re.IGNORECASE)
_receive = web.RequestHandler.data_received


class Feeder:
    """Feeds each head to the connection's parser by itself; what is too much for now waits here."""

    __slots__ = ("_body", "_held", "_is_over", "_is_read")

    def __init__(self) -> None:
        """Begin with a new connection."""
        self._held = b""
        # The body of the last request.
        self._body: StreamReader = EMPTY_PAYLOAD
        self._is_read, self._is_over = True, False

    def feed(self, connection: web.RequestHandler, data: bytes) -> None:
        """Take received bytes, or (b"") go on with those that wait."""
        if self._is_over:
            return
        # At most one head, with nothing behind it.
        alone = data.find(_HEAD_END, 0, -1) < 0
        if not self._held and (alone or (self._body is EMPTY_PAYLOAD and _has_its_body(data))):
            if self._body is EMPTY_PAYLOAD:
                # Nothing in a body can be malformed.
                _receive(connection, data)
                if messages := connection._messages:
                    message, body = messages[-1]
                    if type(message) is _ErrInfo:
                        self._is_over = True
                    elif body is not EMPTY_PAYLOAD and not body.is_eof():
                        self._body, self._is_read = body, True
            else:
                self._receive(connection, data)
            return
        self._held += data
        if not data and self._receive(connection, data):
            return
        at = 0
        while at < len(self._held) and not _is_full(connection):
            end = self._held.find(_HEAD_END, at)
            end = len(self._held) if end < 0 else end + len(_HEAD_END)
            if self._receive(connection, self._held[at:end]):
                return
            at = end
        self._held = self._held[at:]

    def _receive(self, connection: web.RequestHandler, data: bytes) -> bool:
        """Let the parser read; return whether the request has come to its end."""
        is_late = not connection._messages and not self._body.is_eof()
        _receive(connection, data)
        if is_late and self._body.is_eof() and connection._parser is not None:
            # The parser counts complete requests, and did not count this one when it was taken.
            connection._parser.message_consumed()
        ended = self._end_if_malformed(connection)
        if self._body.is_eof():
            self._body = EMPTY_PAYLOAD
        return ended

    def answered(self, request: web.BaseRequest) -> None:
        """Note that nobody reads the body of this request any more."""
        self._is_read = self._is_read and request.content is not self._body

    def _end_if_malformed(self, connection: web.RequestHandler) -> bool:
        """Stop reading at malformed input, and end the body that it is part of."""
        messages = connection._messages
        if not messages:
            return False
        if not isinstance(messages[-1][0], _ErrInfo):
            self._body, self._is_read = messages[-1][1], True
            return False
        self._held, self._is_over = b"", True
        if self._body.is_eof():
            return True
        if self._is_read:
            self._body.set_exception(web.RequestPayloadError("malformed"))
            connection._lingering_time = 0
        else:
            # aiohttp waits for the end of the body before it closes.
            connection.close()
            self._body.feed_eof()
        return True


def _has_its_body(data: bytes) -> bool:
    """Whether everything that follows the first head is the body of its request.

    If a request has two lengths, or a length and chunks, the parser reports an error, which then concerns only this
    request.
    """
    end = data.find(_HEAD_END)
    length = _LENGTH.search(data, 0, end + 2)
    return length is not None and int(length[1]) == len(data) - end - len(_HEAD_END)


def _is_full(connection: web.RequestHandler) -> bool:
    """Whether as many requests wait as aiohttp takes: it has paused the transport, and resumes when there is room."""
    messages = connection._messages
    return len(messages) >= connection._max_msg_queue_size and messages[-1][1].is_eof()
