"""`windsock webserver`: the API alone, in one process or several below a supervisor."""

import dataclasses
import logging
import secrets
import socket
from collections.abc import Callable
from functools import partial

from server.auth.file_source import with_permissions
from server.logs import setup_logs
from server.process.loop import run
from server.process.privileges import hide_from_others
from server.serving import systemd
from server.serving.admin import admin_listener
from server.serving.listener import listen
from server.serving.supervisor import Supervisor
from windsock.config import Config, check_exposure

logger = logging.getLogger(__name__)


def run_webserver(read: Callable[[], Config]) -> None:
    """Serve as `read` says until SIGTERM or SIGINT, and call it again at SIGHUP; raises StartupError."""
    hide_from_others()
    passed = systemd.passed_socket()
    if passed:
        read = partial(_read_beside, passed, read)
    read = partial(_read_all, read)
    config = read()
    setup_logs(config.log_level, config.log_format)
    for warning in config.warnings:
        logger.warning(warning)
    check_exposure(config)
    key = secrets.token_hex(32)
    if config.secret_key is None and config.workers > 1:
        logger.warning("no secret_key is set: sessions end when the service is restarted")
    with passed or listen(config) as sock:
        supervisor = Supervisor(_shared_key(config, key), sock, lambda: _shared_key(read(), key))
        run(_main(supervisor))


async def _main(supervisor: Supervisor) -> None:
    async with admin_listener(supervisor.config, supervisor):
        await supervisor.run()


def _shared_key(config: Config, key: str) -> Config:
    """Give all workers the same key: otherwise a session of one worker would be unknown to the others."""
    return config if config.secret_key else dataclasses.replace(config, secret_key=key)


def _read_all(read: Callable[[], Config]) -> Config:
    """Read the permissions file too, which then counts for all workers."""
    return with_permissions(read())


def _read_beside(sock: socket.socket, read: Callable[[], Config]) -> Config:
    """Take the address that systemd chose; a socket that is not of the network counts as loopback."""
    config = read()
    host, port = ("127.0.0.1", 0) if sock.family == socket.AF_UNIX else sock.getsockname()[:2]
    warnings = [
        f"{config.sources[name]} has no effect: the socket unit sets the address, {host}:{port}"
        for name, value in (("host", host), ("port", port))
        if name in config.sources and getattr(config, name) != value
    ]
    return dataclasses.replace(config, host=host, port=port, warnings=(*config.warnings, *warnings))
