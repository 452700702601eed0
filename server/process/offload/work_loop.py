"""Runs in a worker process: does one piece of work after the other, until the parent closes the channel.

`python -m server.process.offload <module> <bytes>`: the work is the functions of `module.FUNCTIONS`, each from bytes to
bytes; the address space is limited to that many bytes. Standard input is a socket to the parent, for both directions.
"""

import contextlib
import importlib
import os
import resource
import signal
import socket
import struct
from collections.abc import Callable

from server.process.parent_death import end_with_parent

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
    # A parent that is gone already has closed the channel.
    end_with_parent(signal.SIGKILL)
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
