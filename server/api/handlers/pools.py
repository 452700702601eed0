"""Pools."""

from aiohttp import web

from server import wire
from server.api.needs import POOL_CREATE, POOL_EDIT
from server.api.resources import CHANGE, OPERATIONS, PERMISSIONS
from server.errors import PermissionMissing
from server.http.answers import json_answer
from server.http.body import read_body


async def list_pools(request: web.Request) -> web.Response:
    """`GET /pools`."""
    return json_answer(await request.app[OPERATIONS].list_pools())


async def pool(request: web.Request) -> web.Response:
    """`GET /pools/<name>`."""
    return json_answer(await request.app[OPERATIONS].pool(request.match_info["name"]))


async def set_pool(request: web.Request) -> web.Response:
    """`POST /pools`: creates the pool, or changes the one of that name; each needs a permission of its own."""
    operations = request.app[OPERATIONS]
    request[CHANGE] = asked = wire.parse_pool(await read_body(request), operations.pool_name_limit)
    missing = [one for one in (POOL_CREATE, POOL_EDIT) if not request[PERMISSIONS].allows(one)]
    if not missing:
        return json_answer(await operations.set_pool(asked))
    done = await (operations.change_pool(asked) if POOL_CREATE in missing else operations.create_pool(asked))
    if done is None:
        raise PermissionMissing(missing[0])
    return json_answer(done)


async def delete_pool(request: web.Request) -> web.Response:
    """`DELETE /pools/<name>`."""
    return json_answer(await request.app[OPERATIONS].delete_pool(request.match_info["name"]))
