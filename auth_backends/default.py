"""Everybody may call the API: Airflow's `airflow.api.auth.backend.default`.

Without credentials, anybody who reaches the port may do everything. So, unless it is chosen explicitly, the server
serves loopback addresses only.
"""

from aiohttp import web

from server.auth import Identity
from server.auth.contract import ANYONE

# Nobody proves who they are, so only the Host header keeps pages of other web sites out (DNS rebinding).
CHECK_HOST = True
KIND = ANYONE
_ANYONE = Identity(None, backend=__name__)


async def authenticate(_request: web.Request) -> Identity:
    """Let everybody in, without a name."""
    return _ANYONE
