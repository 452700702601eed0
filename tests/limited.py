"""A backend for tests: a header says who calls, and what their credentials carry is in `CARRIED`."""

from collections.abc import Sequence

from aiohttp import web

from server.auth.contract import Identity
from server.auth.permissions import RoleGrant

NAME = "tests.limited"
HEADER = "X-Caller"
CARRIED: dict[str, Sequence[RoleGrant]] = {}


async def authenticate(request: web.Request) -> Identity:
    """Believe what the header says."""
    return Identity(request.headers[HEADER])


async def roles(_app: web.Application, user: str) -> Sequence[RoleGrant] | None:
    """Return what that caller's credentials carry; whoever has none may do everything."""
    return CARRIED.get(user)
