"""The service itself: a test call, its health, the description of the API."""

import functools
import json
from importlib import resources

from aiohttp import web

from server import wire
from server.api.resources import OPERATIONS
from server.errors import Unavailable
from server.http.answers import json_answer, json_bytes
from server.http.keys import CONFIG

_OK = b'{"status":"OK"}\n'
_OPENAPI = resources.files("server").joinpath("openapi.json").read_bytes()


async def test(_request: web.Request) -> web.Response:
    """`GET /test`."""
    return json_bytes(_OK)


async def version(request: web.Request) -> web.Response:
    """`GET /version`."""
    return json_answer(await request.app[OPERATIONS].versions())


async def openapi(request: web.Request) -> web.Response:
    """`GET /openapi.json`."""
    return json_bytes(_description(request.app[CONFIG].base_path))


@functools.cache
def _description(base_path: str) -> bytes:
    """Return the description with the address of this server, at which its paths begin."""
    described = json.loads(_OPENAPI)
    described["servers"][0]["url"] = base_path or "/"
    return wire.encode(described)


async def health(request: web.Request) -> web.Response:
    """`GET /health`, as Airflow answers it: 200 even if something is unhealthy."""
    try:
        latest, healthy = await request.app[OPERATIONS].heartbeat()
    except Unavailable:
        return json_answer(
            {
                "metadatabase": {"status": "unhealthy"},
                "scheduler": {"latest_scheduler_heartbeat": None, "status": "unhealthy"},
            }
        )
    return json_answer(
        {
            "metadatabase": {"status": "healthy"},
            "scheduler": {
                "latest_scheduler_heartbeat": latest.isoformat() if latest else None,
                "status": "healthy" if healthy else "unhealthy",
            },
        }
    )
