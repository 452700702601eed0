"""The cookie of a session: aiohttp-session's encrypted storage, with what it lacks said in one class on top of it."""

from collections.abc import Mapping, Sequence

from aiohttp import web
from aiohttp_session import Session
from aiohttp_session.cookie_storage import EncryptedCookieStorage
from cryptography.fernet import Fernet, MultiFernet


class RotatingFernet(Fernet):
    """Encrypts with the first key and decrypts with any; aiohttp-session insists on a Fernet."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        super().__init__(keys[0])
        self._any = MultiFernet([Fernet(key) for key in keys])

    def decrypt(self, token: bytes | str, ttl: int | None = None) -> bytes:
        """Return the plain text; raises InvalidToken."""
        return self._any.decrypt(token, ttl)


class SessionCookie(EncryptedCookieStorage):
    """A cookie of one name and path, which no script and no other site can use.

    aiohttp-session knows one key, fails on a cookie that is not ASCII, and leaves it to its middleware to begin and end
    sessions. That middleware would open the cookie of every request, also where the result is known.
    """

    def __init__(self, keys: Sequence[bytes], *, name: str, path: str, lifetime: int, secure: bool) -> None:
        """Use Fernet's `keys`; a cookie is good for `lifetime` seconds, and with `secure` over TLS only."""
        super().__init__(
            RotatingFernet(keys), cookie_name=name, path=path, max_age=lifetime, secure=secure, httponly=True,
            samesite="Strict",
        )  # fmt: skip

    async def load_session(self, request: web.Request) -> Session:
        """Return the session of a request, a new one if it has none that this server made."""
        if not request.cookies.get(self.cookie_name, "").isascii():
            return await self.new_session()
        return await super().load_session(request)

    async def begin(self, request: web.Request, response: web.Response, values: Mapping[str, str]) -> None:
        """Add the cookie of a new session with these values to an answer."""
        session = await self.new_session()
        session.update(values)
        await self.save_session(request, response, session)

    def end(self, response: web.Response) -> None:
        """Let an answer delete the cookie."""
        params = self.cookie_params
        response.del_cookie(
            self.cookie_name, path=params["path"], secure=params["secure"], httponly=params["httponly"],
            samesite=params["samesite"],
        )  # fmt: skip
