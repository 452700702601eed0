"""The protocols between systemd and a service, without its library: sd_listen_fds(3) and sd_notify(3)."""

import asyncio
import os
import socket
import time

from server.errors import StartupError

_FIRST = 3
_MICROSECONDS = 1_000_000


def passed_socket() -> socket.socket | None:
    """Return the listening socket that systemd passed on, None if there is none; raises StartupError for several."""
    pid, count = os.environ.get("LISTEN_PID"), os.environ.get("LISTEN_FDS", "0")
    if pid != str(os.getpid()) or count == "0":
        return None
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    if count != "1":
        raise StartupError(f"systemd passed {count} sockets; the socket unit should have one ListenStream=")
    sock = socket.socket(fileno=_FIRST)
    if sock.type != socket.SOCK_STREAM or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise StartupError("systemd passed a socket that does not listen; the socket unit should have ListenStream=")
    os.set_inheritable(_FIRST, False)  # noqa: FBT003 - the function's own signature
    sock.setblocking(False)  # noqa: FBT003 - the socket's own signature
    return sock


def notify(*states: str) -> None:
    """Notify systemd, for example `READY=1`; does nothing if nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(f"\0{address[1:]}" if address.startswith("@") else address)
            sock.send("\n".join(states).encode())
        except OSError:
            # Nobody listens any more; the service goes on.
            return


def reloading() -> None:
    """Notify systemd that a reload has begun; `READY=1` ends it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def watchdog_interval() -> float | None:
    """Return the seconds between two signs of life: half of its time, as systemd advises; None if there is none."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()) or not microseconds.isdigit():
        return None
    return int(microseconds) / _MICROSECONDS / 2


async def keep_watchdog() -> None:
    """Notify the watchdog for ever, if there is one: this proves that the event loop turns."""
    interval = watchdog_interval()
    while interval:
        notify("WATCHDOG=1")
        await asyncio.sleep(interval)
