"""Pools."""

from aiohttp import web

from server import wire
from server.api.resources import CHANGE, METADATA
from server.http.answers import json_answer, json_bytes
from server.http.body import read_body


async def list_pools(request: web.Request) -> web.Response:
    """`GET /pools`."""
    return json_bytes(await request.app[METADATA].pools.all())


async def pool(request: web.Request) -> web.Response:
    """`GET /pools/<name>`."""
    name = wire.parse_pool_name(request.match_info["name"])
    return json_answer(await request.app[METADATA].pools.get(name))


async def set_pool(request: web.Request) -> web.Response:
    """`POST /pools`: creates the pool, or changes the one of that name."""
    pools = request.app[METADATA].pools
    request[CHANGE] = asked = wire.parse_pool(await read_body(request), pools.name_limit)
    return json_answer(await pools.set(asked.name, asked.slots, asked.description))


async def delete_pool(request: web.Request) -> web.Response:
    """`DELETE /pools/<name>`."""
    name = wire.parse_pool_name(request.match_info["name"])
    return json_answer(await request.app[METADATA].pools.delete(name))
