"""Pools."""

from aiohttp import web

from server import wire
from server.answers import json_answer, json_bytes
from server.bodies import read_body
from server.resources import CHANGE, METADATA


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
