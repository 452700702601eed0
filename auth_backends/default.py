"""Everything is allowed: Airflow's `airflow.api.auth.backend.default`.

Without credentials, anyone who reaches the port may do everything; a server that was not told otherwise
therefore serves loopback addresses only.
"""

from aiohttp import web

from server.auth import Identity

# Where nobody proves who they are, the Host header is what keeps other web sites' pages out (DNS rebinding).
CHECK_HOST = True
_ANYONE = Identity(None)


async def authenticate(_request: web.Request) -> Identity:
    """Let anyone in, as nobody in particular."""
    return _ANYONE
