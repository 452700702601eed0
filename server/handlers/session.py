"""Sessions: a cookie for whoever has authenticated."""

from aiohttp import web

from server.answers import json_answer
from server.errors import Forbidden
from server.resources import SESSIONS, USER


async def create(request: web.Request) -> web.Response:
    """`POST /session`: a cookie that stands for the credentials of this very request; none where none are asked for."""
    user = request.get(USER)
    response = json_answer({"user": user})
    if user is not None and not await request.app[SESSIONS].begin(request, response, user):
        raise Forbidden("Forbidden: this user is gone")
    return response


async def delete(request: web.Request) -> web.Response:
    """`DELETE /session`: takes the cookie away."""
    response = json_answer({"response": "ok"})
    request.app[SESSIONS].end(request, response)
    return response
