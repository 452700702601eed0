"""Runs in a worker process: does one piece of work after the other, until the parent closes the channel.

`python -m server.process.offload <module> <bytes>`: the work is the functions of `module.FUNCTIONS`, each from bytes to
bytes; the address space is limited to that many bytes. Standard input is a socket to the parent, for both directions.
"""

import contextlib
import fcntl
import importlib
import os
import resource
import select
import signal
import socket
import struct
from collections.abc import Callable, Iterator

REQUEST = struct.Struct("!HI")
"""The sizes of the function's name and of its argument, which follow."""
ANSWER = struct.Struct("!BI")
"""One of the outcomes below, and the size of the data that follows."""
DONE, FAILED, NO_MEMORY, READY = range(4)
LARGEST = 2**26
"""The longest answer, in bytes."""
_NICENESS = 10
_LONGEST_REASON = 1000


def main(module: str, memory: int) -> None:
    """Serve the process that started this one."""
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    channel = socket.socket(fileno=0)
    functions: dict[str, Callable[[bytes], bytes]] = importlib.import_module(module).FUNCTIONS
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        # The processes that answer requests go first.
        os.nice(_NICENESS)
    stream = channel.makefile("rwb")
    stream.write(ANSWER.pack(READY, 0))
    stream.flush()
    while head := stream.read(REQUEST.size):
        name_size, size = REQUEST.unpack(head)
        name, argument = stream.read(name_size).decode(), stream.read(size)
        with _ending_with_the_parent(channel):
            outcome, data = _outcome(functions[name], argument)
        del argument
        stream.write(ANSWER.pack(outcome, len(data)))
        stream.write(data)
        stream.flush()


def _outcome(function: Callable[[bytes], bytes], argument: bytes) -> tuple[int, bytes]:
    try:
        data = function(argument)
    except MemoryError:
        return NO_MEMORY, b""
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer to this piece of work alone
        return FAILED, f"{type(error).__name__}: {error}"[:_LONGEST_REASON].encode(errors="replace")
    return (DONE, data) if len(data) <= LARGEST else (FAILED, b"it makes more than is read of it")


@contextlib.contextmanager
def _ending_with_the_parent(channel: socket.socket) -> Iterator[None]:
    """Make the kernel kill this process, whatever it is doing, when the other end of the channel closes.

    The kernel then sends SIGIO, which ends a process that does not handle it. The parent sends nothing during a piece
    of work.
    """
    flags = fcntl.fcntl(channel, fcntl.F_GETFL)
    fcntl.fcntl(channel, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(channel, fcntl.F_SETFL, flags | os.O_ASYNC)
    try:
        poll = select.poll()
        poll.register(channel, 0)
        if poll.poll(0):
            # The other end closed just before.
            signal.raise_signal(signal.SIGIO)
        yield
    finally:
        fcntl.fcntl(channel, fcntl.F_SETFL, flags)
