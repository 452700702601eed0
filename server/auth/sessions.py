"""Sessions: an encrypted cookie instead of credentials.

The server stores nothing. A cookie names the user, the backend that authenticated the user, and the backend's stamp
(for passwords: a digest of the stored hash). So it ends with the user, with the password and with its lifetime, and if
that backend is no longer one of those that are configured. It never counts as a session of another backend.
"""

import base64
import hashlib
import logging
import secrets
import time
from typing import NamedTuple

from aiohttp import web
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from server.auth.chain import Chain
from server.auth.contract import Identity
from server.auth.cookies import SessionCookie
from server.caching.bounded import BoundedMap
from server.http.proxies import Proxies
from server.http.router import spellings
from windsock.config import Config

logger = logging.getLogger(__name__)

COOKIE = "windsock_session"
# A browser sends and accepts a cookie with such a name over TLS only, and only for this very host.
SECURE_COOKIE = f"__Host-{COOKIE}"
_OPENED_LIMIT = 4096


class _Opened(NamedTuple):
    identity: Identity
    stamp: str
    until: float


class Sessions:
    """Makes, reads and ends session cookies."""

    def __init__(self, config: Config, backends: Chain, proxies: Proxies) -> None:
        """Derive the keys from the configured secret, or make one up for the lifetime of the process."""
        self._backends = backends
        self._proxies = proxies
        self._lifetime = lifetime = int(config.session_lifetime)
        keys = [_derive(secret) for secret in _secrets(config)]
        self._base_path = config.base_path
        self._plain = {
            path: SessionCookie(keys, name=COOKIE, path=path, lifetime=lifetime, secure=False)
            for path in {"/", f"{config.base_path}/"}
        }
        self._secure = SessionCookie(keys, name=SECURE_COOKIE, path="/", lifetime=lifetime, secure=True)
        self._opened: BoundedMap[tuple[bool, bytes], _Opened] = BoundedMap(_OPENED_LIMIT)
        self._salt = secrets.token_bytes(16)

    async def identify(self, request: web.Request) -> Identity | None:
        """Return whose session the request's cookie is; None if there is no cookie or it is no longer valid."""
        header = request.headers.get("Cookie")
        if header is None or COOKIE not in header:
            return None
        secure = self._proxies.secure(request)
        # To decrypt a cookie costs more than the rest of a request, so it is done only once.
        key = (secure, hashlib.blake2b(header.encode("utf-8", "surrogateescape"), key=self._salt).digest())
        opened = self._opened.get(key) or await self._open(request, key)
        if opened is None or time.time() >= opened.until:
            self._opened.drop(key)
            return None
        if await self._backends.stamp(request.app, opened.identity) != opened.stamp:
            return None
        return opened.identity

    async def stamp(self, app: web.Application, identity: Identity) -> str | None:
        """Return the text that sessions of this identity depend on; None if its backend does not know it any more."""
        return await self._backends.stamp(app, identity)

    async def begin(self, request: web.Request, response: web.Response, identity: Identity) -> bool:
        """Add the cookie of a new session to the answer; False if the user does not exist any more."""
        stamp = await self._backends.stamp(request.app, identity)
        if stamp is None or identity.user is None:
            return False
        values = {"user": identity.user, "backend": identity.backend, "stamp": stamp}
        if identity.realm is not None:
            values["realm"] = identity.realm
        await self._cookie(request).begin(request, response, values)
        return True

    def end(self, request: web.Request, response: web.Response) -> None:
        """Delete the cookie."""
        self._cookie(request).end(response)

    def _cookie(self, request: web.Request) -> SessionCookie:
        if self._proxies.secure(request):
            return self._secure
        # The cookie is for the paths that the browser sees: below the base path, or at the root.
        below = len(spellings(request.rel_url.path_safe, self._base_path)) > 1
        return self._plain[f"{self._base_path}/" if below else "/"]

    async def _open(self, request: web.Request, key: tuple[bool, bytes]) -> _Opened | None:
        session = await self._cookie(request).load_session(request)
        user, backend, realm = session.get("user"), session.get("backend"), session.get("realm")
        if session.new or not isinstance(user, str) or not isinstance(backend, str):
            return None
        identity = Identity(user, backend=backend, realm=None if realm is None else str(realm))
        opened = _Opened(identity, str(session.get("stamp")), session.created + self._lifetime)
        self._opened.put(key, opened)
        return opened


def _secrets(config: Config) -> list[str]:
    if config.secret_key is not None:
        return [config.secret_key, *config.old_secret_keys]
    if config.workers > 1:
        logger.warning(
            "no usable [webserver] secret_key: each of the %d processes makes one up, so only one of them accepts"
            " a session that it began; set a key of at least 16 characters",
            config.workers,
        )
    return [secrets.token_hex(32), *config.old_secret_keys]


def _derive(secret: str) -> bytes:
    """Return Fernet's key for a secret of any length; the same secret may have other uses elsewhere."""
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"windsock session cookie").derive(secret.encode())
    return base64.urlsafe_b64encode(derived)
