"""Sessions: a cookie for those who have authenticated."""

from aiohttp import web

from server.api.resources import SESSIONS
from server.errors import Forbidden
from server.http.answers import json_answer
from server.http.keys import USER


async def create(request: web.Request) -> web.Response:
    """`POST /session`: sets a cookie that replaces credentials, unless the backend asks for none."""
    user = request.get(USER)
    response = json_answer({"user": user})
    if user is not None and not await request.app[SESSIONS].begin(request, response, user):
        raise Forbidden("Forbidden: this user is gone")
    return response


async def delete(request: web.Request) -> web.Response:
    """`DELETE /session`: deletes the cookie."""
    response = json_answer({"response": "ok"})
    request.app[SESSIONS].end(request, response)
    return response
