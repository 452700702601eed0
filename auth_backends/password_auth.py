"""HTTP Basic against the users in the metadata database: Airflow's `airflow.contrib.auth.backends.password_auth`.

What they may do, `[windsock] authorization` says.
"""

import asyncio
import base64
import hashlib
import logging
from collections.abc import Awaitable
from typing import NamedTuple

from aiohttp import web

from server.api.resources import METADATA
from server.auth import Identity, basic, hashes
from server.auth.contract import ANY_SCHEME
from server.auth.executor import Executor
from server.auth.throttle import Throttle
from server.auth.verified import Verified
from server.caching.recent import Recent
from server.database.metadata import Metadata
from server.database.users import User, Users
from server.errors import Forbidden, StartupError, TooManyRequests, Unavailable
from server.http.keys import CONFIG, PROXIES
from server.http.proxies import network
from windsock.config import Config

logger = logging.getLogger(__name__)

# Airflow never looked at the word, and callers send `token`; other backends have theirs nevertheless.
SCHEMES = ("basic", ANY_SCHEME)

# No table has longer names, so they are not looked up; refusing them takes as long as for unknown names.
_LONGEST_NAME = 512
# A refusal that cost no hashing is delayed for a moment, so that guessers do not take the time of others.
_HOLD = 0.25
_MOST_REPORTS = 1000
_USUAL_METHOD = f"$2b${hashes.COST}"


class _Known(NamedTuple):
    """A user's row as it was read; for an unknown name, or a row without a usable hash, it has the dummy hash.

    `name` is the one in the row, whatever spelling found it: tries are counted for it. Without a row it is the name
    that was sent.
    """

    name: str
    stored: str
    identity: Identity | None = None
    stamp: str | None = None


class Passwords:
    """Verifies user names and passwords."""

    def __init__(self, metadata: Metadata, config: Config) -> None:
        """Use the users of `metadata`, whichever table has them."""
        self._metadata = metadata
        # Names without a user are verified against this, once `choose_dummy` knows how costly the users' hashes are.
        self._dummy = hashes.dummy(_USUAL_METHOD)
        self._dummy_of: Users | None = None
        self._rows = Recent(self._read, config.user_check_seconds)
        self._verified = Verified(config.verified_seconds)
        self._throttle = Throttle(config.throttle_failures, config.throttle_seconds)
        self._executor = Executor("hash", config.hash_threads, config.hash_queue_limit, nice=True)
        self._reported: set[str] = set()

    async def choose_dummy(self, users: Users) -> None:
        """Make names without a user as costly to verify as most users; raises Unavailable."""
        self._dummy = hashes.dummy(await users.usual_method(hashes.method) or _USUAL_METHOD)
        self._dummy_of = users

    async def verify(self, user: str, password: str, client: str) -> Identity:
        """Return the identity of the user; raises Forbidden, TooManyRequests or Unavailable."""
        if "\0" in user or "\0" in password:
            raise _refused()
        known = self._rows.peek(user) or await self._row(user)
        digest = self._verified.digest(known.name, password, known.stored)
        if known.identity is not None and self._verified.knows(digest):
            return known.identity
        if not await self._check(digest, password, client, known) or known.identity is None:
            raise _refused()
        return known.identity

    async def stamp(self, user: str) -> str | None:
        """Return the text that the user's sessions depend on."""
        return (self._rows.peek(user) or await self._row(user)).stamp

    def close(self) -> None:
        """End the threads."""
        self._executor.close()

    async def _row(self, user: str) -> _Known:
        return await self._rows.get(user) if len(user) <= _LONGEST_NAME else self._nobody(user)

    def _nobody(self, name: str) -> _Known:
        return _Known(name.casefold(), self._dummy)

    async def _read(self, name: str) -> _Known:
        if (users := self._metadata.users) is not self._dummy_of:
            # The database was migrated.
            await self.choose_dummy(users)
        user = await users.find(name)
        if user is None:
            return self._nobody(name)
        if fault := hashes.fault(user.password):
            self._report(user, fault)
            # It takes as long as others all the same.
            return _Known(user.name, self._dummy)
        stamp = base64.b64encode(hashlib.sha256(f"session {user.password}".encode()).digest()[:18]).decode()
        return _Known(user.name, user.password, Identity(user.name, backend=__name__), stamp)

    def _report(self, user: User, fault: str) -> None:
        """Log once that a user's hash cannot be used; users without a hash authenticate in other ways."""
        if not user.password or user.name in self._reported or len(self._reported) >= _MOST_REPORTS:
            return
        self._reported.add(user.name)
        logger.warning("the stored hash of a user is refused: %s", fault, extra={"user": user.name})

    async def _check(self, digest: bytes, password: str, client: str, known: _Known) -> bool:
        """Verify, unless the same credentials are being verified for another request: then only that try counts."""
        if not self._verified.under_way(digest) and (wait := self._throttle.wait(known.name, client)):
            await asyncio.sleep(_HOLD)
            raise TooManyRequests("Too many refused passwords; try again later", wait)
        try:
            return await self._verified.check(digest, lambda: self._try(password, client, known))
        except Unavailable:
            await asyncio.sleep(_HOLD)
            raise

    def _try(self, password: str, client: str, known: _Known) -> Awaitable[bool]:
        """Count the try from its beginning, so that parallel guesses are limited like consecutive ones."""
        return self._hash(self._throttle.begin(known.name, client), password, client, known)

    async def _hash(self, pair: bytes, password: str, client: str, known: _Known) -> bool:
        """Hash, and count the outcome, even if the caller no longer waits for it."""
        good = None
        try:
            good = bool(await self._executor.run(client, hashes.verify, password, known.stored))
        finally:
            self._throttle.end(pair, good=good)
        return good


PASSWORDS = web.AppKey("PASSWORDS", Passwords)


async def startup(app: web.Application) -> None:
    """Find the table of users; raises StartupError if this database has none."""
    users = app[METADATA].users
    users.require_table()
    passwords = Passwords(app[METADATA], app[CONFIG])
    try:
        await passwords.choose_dummy(users)
    except Unavailable as error:
        raise StartupError(f"password_auth: cannot read the table {users.table}: {error.message}") from error
    app[PASSWORDS] = passwords


async def cleanup(app: web.Application) -> None:
    """End the threads that hash."""
    if PASSWORDS in app:
        app[PASSWORDS].close()


async def authenticate(request: web.Request) -> Identity:
    """Return whose Basic credentials they are; 401 if there are none, 403 if they are wrong, 429 after too many."""
    user, password = basic.credentials(request)
    app = request.app
    return await app[PASSWORDS].verify(user, password, network(app[PROXIES].address(request)))


async def session_stamp(app: web.Application, user: str) -> str | None:
    """Return a digest of the user's stored hash: sessions end with the password."""
    return await app[PASSWORDS].stamp(user)


def _refused() -> Forbidden:
    return Forbidden("Forbidden: user name or password is wrong")
