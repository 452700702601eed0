"""Nobody may call the API: Airflow's `airflow.api.auth.backend.deny_all`."""

from aiohttp import web

from server.auth import Identity
from server.auth.contract import NOBODY
from server.errors import Forbidden

KIND = NOBODY


async def authenticate(_request: web.Request) -> Identity:
    """Refuse every caller."""
    raise Forbidden("Forbidden: this server's authentication backend, deny_all, refuses every request")
