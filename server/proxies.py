"""What trusted reverse proxies say about a request: its client's address, and whether it came over TLS."""

import ipaddress
from collections.abc import Sequence

from aiohttp import web

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Proxies:
    """Reads `X-Forwarded-For`, `-Proto` and `-Host` of connections from `networks`, and of no others."""

    def __init__(self, networks: Sequence[Network]) -> None:
        """Trust these networks; none: the headers are never looked at."""
        self._networks = tuple(networks)

    def address(self, request: web.BaseRequest) -> str | None:
        """Return the client's address: the nearest one that is not a trusted proxy's own."""
        remote = request.remote
        if not self._networks or not self._trusts(remote):
            return remote
        hops = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
        for hop in reversed(hops):
            address = _address(hop)
            if address is None:
                return remote
            remote = str(address)
            if not self._trusts(remote):
                return remote
        return remote

    def secure(self, request: web.BaseRequest) -> bool:
        """Whether the client speaks TLS, to us or to a trusted proxy."""
        if request.secure:
            return True
        if not self._networks or not self._trusts(request.remote):
            return False
        said = ",".join(request.headers.getall("X-Forwarded-Proto", ())).split(",")
        return said[-1].strip().lower() == "https"

    def host(self, request: web.BaseRequest) -> str:
        """Return the host that the client asked for, with its port, in lower case."""
        if self._networks and self._trusts(request.remote):
            said = ",".join(request.headers.getall("X-Forwarded-Host", ())).split(",")[-1].strip()
            if said:
                return said.lower()
        return request.headers.get("Host", "").lower()

    def _trusts(self, text: str | None) -> bool:
        address = _address(text or "")
        return address is not None and any(address in network for network in self._networks)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address as proxies write it: bare, with a port, or in brackets."""
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
