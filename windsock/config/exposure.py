"""An API that lets everybody in is served on loopback addresses only, unless the operator chooses it explicitly."""

import ipaddress
import logging
import socket

from windsock.config.options import Config
from windsock.config.values import BACKENDS
from windsock.errors import ConfigError

logger = logging.getLogger(__name__)


def check_exposure(config: Config) -> None:
    """Raise ConfigError if no backend was chosen and the address is not loopback; this may ask the resolver.

    If a backend that lets everybody in was chosen, by whatever name, this may log a warning.
    """
    if config.auth_backend_explicit:
        _warn_of_every_host(config)
        return
    if is_loopback(config.host):
        return
    place = config.sources.get("host", "host")
    message = (
        f"{place} = {config.host}: without an auth_backend everyone could call the API, so "
        "it is served on loopback addresses only; "
        f"set [api] auth_backend to one of {', '.join(BACKENDS[1:])}, or choose the open API "
        "with [api] auth_backend = airflow.api.auth.backend.default"
    )
    raise ConfigError(message)


def _warn_of_every_host(config: Config) -> None:
    is_open = any(name.rpartition(".")[2] == BACKENDS[0] for name in config.auth_backend)
    if not is_open or config.allowed_hosts or is_loopback(config.host):
        return
    logger.warning(
        "everyone who reaches %s may call the API, by any host name; set [windsock] allowed_hosts to the names by which"
        " callers reach it, to keep out web pages in browsers that reach it by another name (DNS rebinding)",
        config.host,
    )


def is_loopback(host: str) -> bool:
    """Whether all addresses of `host` are loopback addresses; raises ConfigError if it has none."""
    if not host:
        return False
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        message = f"{host}: expected an IP address or a host name that can be resolved"
        raise ConfigError(message) from None
    return all(_is_loopback(str(address[0])) for *_, address in found)


def _is_loopback(text: str) -> bool:
    address = ipaddress.ip_address(text)
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
