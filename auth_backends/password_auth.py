"""HTTP Basic against the users of the metadata database: Airflow's `airflow.contrib.auth.backends.password_auth`.

Whoever authenticates may do everything.
"""

import asyncio
import base64
import hashlib
from typing import NamedTuple

from aiohttp import web

from server.auth import Identity, basic, hashes
from server.auth.executor import Executor
from server.auth.recent import Recent
from server.auth.throttle import Throttle
from server.auth.verified import Verified
from server.config import Config
from server.errors import Forbidden, StartupError, TooManyRequests, Unavailable
from server.metadata.users import Users
from server.resources import CONFIG, METADATA, PROXIES

# Longer names are in no table; they are not looked up, and cost what unknown ones do.
_LONGEST_NAME = 512
# Refusals that cost nothing are held for a moment, so that guessers do not take the time of others.
_HOLD = 0.25
_USUAL_METHOD = f"$2b${hashes.COST}"


class _Known(NamedTuple):
    """A user's row as it was read; the dummy's for a name that is in no row."""

    stored: str
    identity: Identity | None
    stamp: str | None


class Passwords:
    """Verifies user names and passwords."""

    def __init__(self, users: Users, config: Config, dummy: str) -> None:
        """Ask `users`; `dummy` is the hash that names without a user are checked against."""
        self._users = users
        self._dummy = dummy
        self._nobody = _Known(dummy, None, None)
        self._rows = Recent(self._read, config.user_check_seconds)
        self._verified = Verified(config.verified_seconds)
        self._throttle = Throttle(config.throttle_failures, config.throttle_seconds)
        self._executor = Executor("hash", config.hash_threads, config.hash_queue_limit, nice=True)

    async def verify(self, user: str, password: str, address: str | None) -> Identity:
        """Answer who that is; raises Forbidden, TooManyRequests or Unavailable."""
        if "\0" in user or "\0" in password:
            raise _refused()
        known = self._rows.peek(user) or await self._row(user)
        digest = self._verified.digest(user, password, known.stored)
        if known.identity is not None and self._verified.knows(digest):
            return known.identity
        if not await self._check(digest, user, password, address, known) or known.identity is None:
            raise _refused()
        return known.identity

    async def stamp(self, user: str) -> str | None:
        """Return what the user's sessions hang on."""
        return (self._rows.peek(user) or await self._row(user)).stamp

    def close(self) -> None:
        """End the threads."""
        self._executor.close()

    async def _row(self, user: str) -> _Known:
        return await self._rows.get(user) if len(user) <= _LONGEST_NAME else self._nobody

    async def _read(self, name: str) -> _Known:
        user = await self._users.find(name)
        if user is None:
            return self._nobody
        stamp = base64.b64encode(hashlib.sha256(f"session {user.password}".encode()).digest()[:18]).decode()
        if hashes.method(user.password) is None:
            # Not a hash that anything verifies against; it still costs what others do.
            return _Known(self._dummy, None, None)
        return _Known(user.password, Identity(user.name), stamp)

    async def _check(self, digest: bytes, user: str, password: str, address: str | None, known: _Known) -> bool:
        if not self._verified.check_under_way(digest):
            if wait := self._throttle.wait(user, address):
                await asyncio.sleep(_HOLD)
                raise TooManyRequests("Too many refused passwords; try again later", wait)
            if self._executor.full:
                await asyncio.sleep(_HOLD)
        self._throttle.count(user, address)
        try:
            good = await self._verified.check(digest, lambda: self._hash(password, known.stored))
        except Unavailable:
            self._throttle.forgive(user, address)
            raise
        if good:
            self._throttle.forget(user, address)
        return good

    async def _hash(self, password: str, stored: str) -> bool:
        return bool(await self._executor.run(hashes.verify, password, stored))


PASSWORDS = web.AppKey("PASSWORDS", Passwords)


async def startup(app: web.Application) -> None:
    """Find the users; raises StartupError where this database has none."""
    users = app[METADATA].users
    users.require_table()
    try:
        method = await users.usual_method(hashes.method)
    except Unavailable as error:
        raise StartupError(f"password_auth: cannot read the table {users.table}: {error.message}") from error
    app[PASSWORDS] = Passwords(users, app[CONFIG], hashes.dummy(method or _USUAL_METHOD))


async def cleanup(app: web.Application) -> None:
    """End the threads that hash."""
    if PASSWORDS in app:
        app[PASSWORDS].close()


async def authenticate(request: web.Request) -> Identity:
    """Answer whose the Basic credentials are: 401 without usable ones, 403 for wrong ones, 429 for too many."""
    user, password = basic.credentials(request)
    app = request.app
    return await app[PASSWORDS].verify(user, password, app[PROXIES].address(request))


async def session_stamp(app: web.Application, user: str) -> str | None:
    """Return a digest of the user's stored hash: sessions end with the password."""
    return await app[PASSWORDS].stamp(user)


def _refused() -> Forbidden:
    return Forbidden("Forbidden: user name or password is wrong")
