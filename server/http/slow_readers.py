"""Back-pressure with a limit: the service does not wait for ever for clients that do not read their answers."""

import asyncio
import logging
import socket
import struct
from contextlib import suppress

logger = logging.getLogger(__name__)

# While the process stops, it does not wait longer than this for clients that read nothing.
_PATIENCE = 1.0
# SO_LINGER on, with zero seconds: unsent data is dropped.
_RESET = struct.pack("ii", 1, 0)
# How many bytes of answers the kernel takes before it can send any of them; this process keeps as many besides. By
# default the kernel takes megabytes, and more every few seconds, as if the client were reading. Thousands of short
# answers fit into that.
_UNSENT = 2**14


def bound_backlog(sock: socket.socket) -> None:
    """Limit what the kernel queues for each client of the listening `sock`."""
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)


def bound_buffer(transport: asyncio.Transport) -> None:
    """Limit what this process queues for the client of a connection."""
    transport.set_write_buffer_limits(high=_UNSENT)


class SlowReaders:
    """Connections whose clients have not yet read what was written; those that take too long are aborted."""

    def __init__(self, seconds: float) -> None:
        """Give each connection `seconds`."""
        self._seconds = seconds
        self._ends: dict[asyncio.Transport, asyncio.TimerHandle] = {}
        self._hurrying: asyncio.Task[None] | None = None

    def add(self, transport: asyncio.Transport) -> None:
        """Wait for a client from now on, unless the service is already waiting for it."""
        if transport not in self._ends:
            loop = asyncio.get_running_loop()
            self._ends[transport] = loop.call_later(self._seconds, self._abort, transport)

    def discard(self, transport: asyncio.Transport) -> None:
        """Stop waiting: the client has read, or has left."""
        end = self._ends.pop(transport, None)
        if end is not None:
            end.cancel()

    def _abort(self, transport: asyncio.Transport) -> None:
        logger.debug("a client did not read its answer in time")
        self.discard(transport)
        with suppress(OSError):
            # Without this the kernel would keep trying for a quarter of an hour, and the client would not notice.
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()

    def hurry(self) -> None:
        """From now on wait for no client that has read nothing for a second, because the process stops."""
        self._hurrying = asyncio.create_task(self._abort_idle())

    def close(self) -> None:
        """Stop what `hurry` began."""
        if self._hurrying:
            self._hurrying.cancel()

    async def _abort_idle(self) -> None:
        while True:
            before = {transport: (end, transport.get_write_buffer_size()) for transport, end in self._ends.items()}
            await asyncio.sleep(_PATIENCE)
            for transport, state in before.items():
                # While the service waits for a client it writes nothing: the rest shrinks, or the client does not read.
                if state == (self._ends.get(transport), transport.get_write_buffer_size()):
                    self._abort(transport)
