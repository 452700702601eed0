"""What trusted reverse proxies say about a request: the client's address, and the URL that the client used."""

import contextlib
import ipaddress
import socket
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from aiohttp import web

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
UNIX = "unix:"
"""Stands for everybody who can connect to the server's unix socket, as in nginx' `set_real_ip_from`."""
Proxy = Network | Literal["unix:"]

_PORTS = {"http": 80, "https": 443}
_IPV6_NETWORK = 64
# struct ucred of unix(7): process, user, group.
_PEER = struct.Struct("3i")


class Origin(NamedTuple):
    """Scheme, host and port: an origin, as browsers compare them (RFC 6454)."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        """Return it as it stands in the header `Origin`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")


class Proxies:
    """Reads `X-Forwarded-For`, `-Proto`, `-Host` and `-Port` on connections from `trusted`, and on no others."""

    def __init__(self, trusted: Sequence[Proxy]) -> None:
        """Trust these networks, and the unix socket if `UNIX` is among them; if there are none, ignore the headers."""
        self._networks = tuple(proxy for proxy in trusted if not isinstance(proxy, str))
        self._trusts_unix = UNIX in trusted
        self._any = bool(trusted)

    def address(self, request: web.BaseRequest) -> str | None:
        """Return the client's address: the nearest one that is not a trusted proxy's.

        For a process at the other end of a unix socket, return its user, such as `unix:uid=1000`.
        """
        remote = request.remote or _peer(request)
        if not self._trusts(request):
            return remote
        hops = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
        for hop in reversed(hops):
            address = _address(hop)
            if address is None:
                return remote
            remote = str(address)
            if not self._is_proxy(remote):
                return remote
        return remote

    def secure(self, request: web.BaseRequest) -> bool:
        """Whether the client uses TLS, to this server or to a trusted proxy."""
        if request.secure:
            return True
        return self._trusts(request) and _last(request, "X-Forwarded-Proto").lower() == "https"

    def host(self, request: web.BaseRequest) -> str:
        """Return the host that the client asked for, in lower case, with its port if the client gave one."""
        said = _last(request, "X-Forwarded-Host") if self._trusts(request) else ""
        return (said or request.headers.get("Host", "")).lower()

    def origin(self, request: web.BaseRequest) -> Origin | None:
        """Return the origin that the client asked for; None if its `Host` is not a valid one."""
        host = self.host(request)
        if self._trusts(request) and not _has_port(host) and (port := _last(request, "X-Forwarded-Port")):
            host = f"{host}:{port}"
        return read_origin(f"{'https' if self.secure(request) else 'http'}://{host}")

    def _trusts(self, request: web.BaseRequest) -> bool:
        if not self._any:
            return False
        return (
            self._is_proxy(request.remote)
            if request.remote
            else self._trusts_unix and _unix_socket(request) is not None
        )

    def _is_proxy(self, text: str | None) -> bool:
        address = _address(text or "")
        return address is not None and any(address in network for network in self._networks)


@lru_cache(maxsize=1024)
def network(address: str | None) -> str:
    """Return what counts as one client: an IPv4 address, the /64 network of an IPv6 address, or a user of this machine.

    Whoever has one address of such an IPv6 network has all of them.
    """
    found = _address((address or "").partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, _IPV6_NETWORK), strict=False))
    return str(found or address or "")


def read_origin(url: str) -> Origin | None:
    """Return the origin of an http or https URL, None for anything else; it ignores user, path and query."""
    try:
        parts = urlsplit(url)
        port = _PORTS.get(parts.scheme) if parts.port is None else parts.port
    except ValueError:
        return None
    if port is None or not parts.hostname or parts.scheme not in _PORTS:
        return None
    return Origin(parts.scheme, parts.hostname, port)


def _last(request: web.BaseRequest, name: str) -> str:
    """Return the value that the nearest proxy added."""
    return ",".join(request.headers.getall(name, ())).rpartition(",")[2].strip()


def _has_port(host: str) -> bool:
    return ":" in host.rpartition("]")[2]


def _unix_socket(request: web.BaseRequest) -> socket.socket | None:
    """Return the connection's socket if it is a unix socket, otherwise None."""
    sock: socket.socket | None = request.transport.get_extra_info("socket") if request.transport else None
    return sock if sock is not None and sock.family == socket.AF_UNIX else None


def _peer(request: web.BaseRequest) -> str | None:
    """Return the user of the process at the other end of a unix socket, None if the system does not say."""
    # Only Linux has this option.
    with contextlib.suppress(AttributeError, OSError):
        if sock := _unix_socket(request):
            _, user, _ = _PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
            return f"{UNIX}uid={user}"
    return None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address as proxies write it: plain, with a port, or in brackets."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
