"""Work for the tests of worker processes, good and bad."""

import os
import re
import signal
import time


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def spin(_: bytes) -> bytes:
    """Never come back from one call of a C function, which holds the interpreter."""
    re.match("^(a+)+$", "a" * 64 + "!")
    return b""


def sleep(_: bytes) -> bytes:
    time.sleep(3600)
    return b""


def hoard(_: bytes) -> bytes:
    return b"".join(bytes(2**20) for _ in range(2**20))


def crash(_: bytes) -> bytes:
    signal.raise_signal(signal.SIGSEGV)
    return b""


def recurse(data: bytes) -> bytes:
    return recurse(data)


FUNCTIONS = {
    "reverse": lambda data: data[::-1],
    "zeros": lambda size: bytes(int(size)),
    "pid": lambda _: str(os.getpid()).encode(),
    "descriptors": lambda _: " ".join(name for name in map(str, range(256)) if is_open(int(name))).encode(),
    "divide": lambda _: bytes(1 // 0),
    "spin": spin,
    "sleep": sleep,
    "hoard": hoard,
    "crash": crash,
    "recurse": recurse,
}
