"""Who the caller is, and sessions: a cookie for those who have authenticated."""

from aiohttp import web

from server.api.resources import IDENTITY, PERMISSIONS, SESSIONS
from server.errors import Forbidden
from server.http.answers import json_answer


async def whoami(request: web.Request) -> web.Response:
    """`GET /whoami`: who has authenticated, and what this user may do."""
    identity, permissions = request[IDENTITY], request[PERMISSIONS]
    backend = identity.backend.removeprefix("auth_backends.")
    return json_answer({"user": identity.user, "backend": backend, **permissions.described()})


async def create(request: web.Request) -> web.Response:
    """`POST /session`: sets a cookie that replaces credentials, unless the backend asks for none."""
    identity = request[IDENTITY]
    response = json_answer({"user": identity.user})
    if identity.user is not None and not await request.app[SESSIONS].begin(request, response, identity):
        raise Forbidden("Forbidden: this user is gone")
    return response


async def delete(request: web.Request) -> web.Response:
    """`DELETE /session`: deletes the cookie, and what a browser keeps of earlier answers."""
    response = json_answer({"response": "ok"})
    response.headers["Clear-Site-Data"] = '"cache"'
    request.app[SESSIONS].end(request, response)
    return response
