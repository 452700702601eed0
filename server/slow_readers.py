"""Back-pressure with an end: nobody waits for ever for a client that does not read its answers."""

import asyncio
import logging
import socket
import struct
from contextlib import suppress

logger = logging.getLogger(__name__)

# While the process stops, clients that read nothing in this time are not waited for.
_PATIENCE = 1.0
# On, for no seconds: what was not sent is dropped.
_RESET = struct.pack("ii", 1, 0)
# What the kernel takes of answers before any of it can be sent, and what this process keeps besides, in bytes. Left to
# itself the kernel takes megabytes, more every few seconds, which looks as if the client read them. Of short answers
# thousands fit into that.
_UNSENT = 2**14


def bound_backlog(sock: socket.socket) -> None:
    """Bound what waits in the kernel for each client that comes by the listening `sock`."""
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)


def bound_buffer(transport: asyncio.Transport) -> None:
    """Bound what waits in this process for the client of a connection."""
    transport.set_write_buffer_limits(high=_UNSENT)


class SlowReaders:
    """Connections whose clients have yet to read what was written; those that take too long are aborted."""

    def __init__(self, seconds: float) -> None:
        """Allow each of them `seconds`."""
        self._seconds = seconds
        self._ends: dict[asyncio.Transport, asyncio.TimerHandle] = {}
        self._hurrying: asyncio.Task[None] | None = None

    def add(self, transport: asyncio.Transport) -> None:
        """Wait for a client from now on, unless it is waited for already."""
        if transport not in self._ends:
            loop = asyncio.get_running_loop()
            self._ends[transport] = loop.call_later(self._seconds, self._abort, transport)

    def discard(self, transport: asyncio.Transport) -> None:
        """Wait no more: the client has read, or gone."""
        end = self._ends.pop(transport, None)
        if end is not None:
            end.cancel()

    def _abort(self, transport: asyncio.Transport) -> None:
        logger.debug("a client did not read its answer in time")
        self.discard(transport)
        with suppress(OSError):
            # Without it the kernel would go on for a quarter of an hour, and the client not hear of it.
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()

    def hurry(self) -> None:
        """Wait from now on for no client that has read nothing for a second: the process stops."""
        self._hurrying = asyncio.create_task(self._abort_idle())

    def close(self) -> None:
        """End what `hurry` began."""
        if self._hurrying:
            self._hurrying.cancel()

    async def _abort_idle(self) -> None:
        while True:
            before = {transport: (end, transport.get_write_buffer_size()) for transport, end in self._ends.items()}
            await asyncio.sleep(_PATIENCE)
            for transport, state in before.items():
                # While a client is waited for nothing is written: what is left shrinks, or nobody reads.
                if state == (self._ends.get(transport), transport.get_write_buffer_size()):
                    self._abort(transport)
