"""Who sends a request that lasts: whether the credentials still count, and what they allow by now."""

from aiohttp import hdrs, web

from server.api.resources import AUTHORIZATION, IDENTITY, SESSIONS
from server.auth.contract import Identity
from server.auth.permissions import Permissions


async def session_of(request: web.Request) -> Identity | None:
    """Return whose session it is; None too if there are credentials, because they may be somebody else's."""
    if hdrs.COOKIE not in request.headers or hdrs.AUTHORIZATION in request.headers:
        return None
    return await request.app[SESSIONS].identify(request)


class Caller:
    """The caller of a request that has been admitted."""

    def __init__(self, request: web.Request, stamp: str | None, *, in_session: bool) -> None:
        self._request = request
        self._stamp = stamp
        self._in_session = in_session

    @classmethod
    async def of(cls, request: web.Request) -> "Caller":
        """Remember what the caller's credentials depend on; raises Unavailable."""
        identity = request[IDENTITY]
        stamp = await request.app[SESSIONS].stamp(request.app, identity)
        return cls(request, stamp, in_session=await session_of(request) == identity)

    async def permissions(self) -> Permissions | None:
        """Return what the caller may do now; None if the credentials do not count any more. Raises Unavailable.

        What is known of users is at most `user_check_seconds` old. Credentials are not looked at again, because those
        of Kerberos count only once: of them this notices that the user, the password or the token is another one.
        """
        app, identity = self._request.app, self._request[IDENTITY]
        if self._in_session and await session_of(self._request) is None:
            return None
        if await app[SESSIONS].stamp(app, identity) != self._stamp:
            return None
        return await app[AUTHORIZATION].of(app, identity)
