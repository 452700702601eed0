"""Pools."""

from aiohttp import web

from server import wire
from server.api.handlers.paging import wants_details
from server.api.needs import POOL_CREATE, POOL_EDIT, shows_totals
from server.api.resources import CHANGE, OPERATIONS, PERMISSIONS, USED
from server.errors import PermissionMissing
from server.http.answers import json_answer
from server.http.body import read_body


async def list_pools(request: web.Request) -> web.Response:
    """`GET /pools`; with `?details=true` also how many slots are in use, for those who may read all tasks."""
    operations, details = request.app[OPERATIONS], wants_details(request)
    return json_answer(await operations.list_pools(details=details, shows_totals=shows_totals(request)))


async def pool(request: web.Request) -> web.Response:
    """`GET /pools/<name>`."""
    return json_answer(await request.app[OPERATIONS].pool(request.match_info["name"]))


async def set_pool(request: web.Request) -> web.Response:
    """`POST /pools`: creates the pool, or changes the one of that name; each needs a permission of its own."""
    operations, given = request.app[OPERATIONS], request[PERMISSIONS]
    request[CHANGE] = asked = wire.parse_pool(await read_body(request), operations.pool_name_limit)
    ways = {POOL_CREATE: operations.create_pool, POOL_EDIT: operations.change_pool}
    for permission, way in ways.items():
        if given.allows(permission) and (done := await way(asked)) is not None:
            request[USED] = permission
            return json_answer(done)
    if (lacked := next((one for one in ways if not given.allows(one)), None)) is not None:
        raise PermissionMissing(lacked)
    # It has come and gone meanwhile.
    request[USED] = POOL_CREATE
    return json_answer(await operations.set_pool(asked))


async def delete_pool(request: web.Request) -> web.Response:
    """`DELETE /pools/<name>`."""
    return json_answer(await request.app[OPERATIONS].delete_pool(request.match_info["name"]))
