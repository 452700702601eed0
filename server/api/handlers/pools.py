"""Pools."""

from aiohttp import web

from server import wire
from server.api.resources import CHANGE, OPERATIONS
from server.http.answers import json_answer
from server.http.body import read_body


async def list_pools(request: web.Request) -> web.Response:
    """`GET /pools`."""
    return json_answer(await request.app[OPERATIONS].list_pools())


async def pool(request: web.Request) -> web.Response:
    """`GET /pools/<name>`."""
    return json_answer(await request.app[OPERATIONS].pool(request.match_info["name"]))


async def set_pool(request: web.Request) -> web.Response:
    """`POST /pools`: creates the pool, or changes the one of that name."""
    operations = request.app[OPERATIONS]
    request[CHANGE] = asked = wire.parse_pool(await read_body(request), operations.pool_name_limit)
    return json_answer(await operations.set_pool(asked))


async def delete_pool(request: web.Request) -> web.Response:
    """`DELETE /pools/<name>`."""
    return json_answer(await request.app[OPERATIONS].delete_pool(request.match_info["name"]))
