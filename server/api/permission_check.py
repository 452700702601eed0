"""What the caller may do with the endpoint, and what an error may tell them."""

from aiohttp import web

from server.api.needs import missing
from server.api.resources import AUTHORIZATION, PERMISSIONS
from server.api.routes import NEEDS
from server.auth.contract import Identity
from server.auth.permissions import EVERYTHING, reads
from server.errors import PermissionMissing, WindsockError


async def check_permissions(request: web.Request, identity: Identity) -> None:
    """Find out what the caller may do; raises PermissionMissing if that is not what the endpoint needs."""
    app = request.app
    request[PERMISSIONS] = permissions = await app[AUTHORIZATION].of(app, identity)
    if permissions is EVERYTHING:
        return
    needs = NEEDS.get(request.match_info.handler)
    if needs is None or (not needs.either and not permissions.is_limited(needs)):
        return
    if (lacked := await missing(request, needs)) is not None:
        raise PermissionMissing(lacked)


async def withhold(error: WindsockError, request: web.Request) -> None:
    """Take out of the message what the caller may not read."""
    if (restricted := error.restricted) is None:
        return
    needs = reads(*restricted.resources)
    if await missing(request, needs) if restricted.of_the_dag else request[PERMISSIONS].is_limited(needs):
        error.without_restricted()
