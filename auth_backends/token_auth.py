"""Bearer tokens for machines (RFC 6750), made by `windsock create_token`.

A token has a role and, if it is limited, its DAGs. The service knows only digests: it reads all of them at most once in
`user_check_seconds`, so a request costs one SHA-256, and a refused one no statement of its own.
"""

import asyncio
import base64
import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import NamedTuple

import asyncpg
from aiohttp import hdrs, web

from server.api.resources import METADATA
from server.auth import Identity, tokens
from server.auth.permissions import RoleGrant
from server.auth.private_file import PrivateFileError
from server.auth.throttle import Throttle
from server.auth.token_file import TokenFile
from server.auth.tokens import USER_PREFIX, TokenStore
from server.caching.single_flight import SingleFlight
from server.database.tokens import Token
from server.errors import Forbidden, StartupError, TooManyRequests, Unauthorized, Unavailable, WindsockError
from server.http.keys import CONFIG, PROXIES
from server.http.proxies import network
from server.wire.dag_patterns import dag_pattern
from windsock.config import Config

logger = logging.getLogger(__name__)

SCHEMES = ("bearer",)
KIND = "tokens"
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="Windsock"'}
_DAY = 86400
# A throttled refusal is delayed for a moment, as that of a password.
_HOLD = 0.25
# A token that is not known may be new: the tokens are read again, but not more often than this.
_GAP = 0.25
_END_PATIENCE = 2.0


@dataclass(slots=True)
class _Entry:
    """A token as requests need it; `day` is that of its last use, in days since 1970."""

    digest: bytes
    identity: Identity
    expires: float
    grants: tuple[RoleGrant, ...]
    stamp: str
    day: int


class _Known(NamedTuple):
    by_digest: Mapping[bytes, _Entry]
    by_user: Mapping[str, _Entry]


class Tokens:
    """All tokens, as they were read a moment ago."""

    def __init__(self, app: web.Application) -> None:
        """Use the file that the configuration names, or else the table of the database."""
        config: Config = app[CONFIG]
        self._app = app
        self._file = None if config.tokens_file is None else TokenFile(config.tokens_file)
        self._seconds = config.user_check_seconds
        self._throttle = Throttle(config.throttle_failures, config.throttle_seconds)
        self._known = _Known({}, {})
        self._read_at = -inf
        self._until = -inf
        self._flight: SingleFlight[str, _Known] = SingleFlight(self._read)
        self._use = _LastUse(self)

    @property
    def store(self) -> TokenStore:
        """Where they are; after a migration of the database this is another object."""
        return self._file or self._app[METADATA].tokens

    async def start(self) -> None:
        """Read the tokens; raises StartupError if that is not possible."""
        if self._file is None:
            self._app[METADATA].tokens.require_table()
        try:
            await self._load()
        except PrivateFileError as error:
            raise StartupError(f"token_auth: [windsock] tokens_file: {error}") from error
        except Unavailable as error:
            raise StartupError(f"token_auth: cannot read the tokens: {error.message}") from error

    async def close(self) -> None:
        """Write what is not written yet."""
        await self._use.close()

    async def verify(self, text: str, request: web.Request) -> Identity:
        """Return whose token it is; raises Forbidden, TooManyRequests or Unavailable."""
        known = await self.known()
        # Other lengths are refused unhashed. The look-up by digest tells nothing about the token's text.
        entry = known.by_digest.get(tokens.digest(text)) if len(text) == tokens.LENGTH else None
        now = time.time()
        if entry is None or now >= entry.expires:
            entry = await self._look_again(text, network(request.app[PROXIES].address(request)))
        if entry.day != (today := int(now // _DAY)):
            self._use.note(entry, today)
        return entry.identity

    async def entry(self, user: str) -> _Entry | None:
        """Return the valid token that is named like this where users are named."""
        entry = (await self.known()).by_user.get(user)
        return None if entry is None or time.time() >= entry.expires else entry

    async def known(self) -> _Known:
        """Return the tokens, not older than they may be; raises Unavailable."""
        return self._known if time.monotonic() < self._until else await self._flight("")

    async def _look_again(self, text: str, client: str) -> _Entry:
        """Find a token that may have been made a moment ago; raises Forbidden, TooManyRequests or Unavailable.

        Refusals count for the client, because an unknown token has no name. A right one never has to wait, so nobody
        keeps others at the same address away.
        """
        if wait := self._throttle.wait("", client):
            await asyncio.sleep(_HOLD)
            raise TooManyRequests("Too many refused tokens; try again later", wait)
        entry = await self._newest(text) if tokens.is_well_formed(text) else None
        if entry is None or time.time() >= entry.expires:
            if entry is not None:
                logger.info("a token was refused: it has expired", extra={"user": entry.identity.user})
            self._throttle.end(self._throttle.begin("", client), good=False)
            raise Forbidden("Forbidden: the token is not known, has expired or was revoked")
        return entry

    async def _newest(self, text: str) -> _Entry | None:
        arrived = time.monotonic()
        await asyncio.sleep(max(0.0, self._read_at + _GAP - arrived))
        known = self._known if self._read_at > arrived else await self._flight("")
        return known.by_digest.get(tokens.digest(text))

    async def _read(self, _key: str) -> _Known:
        try:
            return await self._load()
        except PrivateFileError as error:
            logger.error("the file of tokens cannot be used: %s", error)  # noqa: TRY400 - its text says all
            raise Unavailable("The server's tokens cannot be read at the moment") from error

    async def _load(self) -> _Known:
        # The time counts from before the read, so that a token is not valid for longer than promised.
        began = self._read_at = time.monotonic()
        entries = [_entry(token, self._use.day(token.digest)) for token in await self.store.all()]
        self._known = _Known(
            {entry.digest: entry for entry in entries}, {str(entry.identity.user): entry for entry in entries}
        )
        self._use.keep(self._known.by_digest)
        self._until = began + self._seconds
        return self._known


class _LastUse:
    """Writes on which day a token was used last: once a day in each process, and nobody waits for that."""

    def __init__(self, owner: Tokens) -> None:
        self._owner = owner
        self._noted: dict[bytes, int] = {}
        self._unwritten: set[bytes] = set()
        self._writing: asyncio.Task[None] | None = None

    def day(self, digest: bytes) -> int:
        """Return the day that was noted; 0 if there is none."""
        return self._noted.get(digest, 0)

    def keep(self, digests: Mapping[bytes, object]) -> None:
        """Forget all tokens but these."""
        self._noted = {digest: day for digest, day in self._noted.items() if digest in digests}

    def note(self, entry: _Entry, day: int) -> None:
        """Let the day be written soon."""
        entry.day = self._noted[entry.digest] = day
        self._unwritten.add(entry.digest)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write(day))

    async def close(self) -> None:
        """Give what is being written a moment."""
        if self._writing is not None:
            await asyncio.wait([self._writing], timeout=_END_PATIENCE)
            self._writing.cancel()

    async def _write(self, day: int) -> None:
        while self._unwritten:
            digests, self._unwritten = self._unwritten, set()
            try:
                await self._owner.store.note_used(digests, datetime.fromtimestamp(day * _DAY, UTC).date())
            except (WindsockError, PrivateFileError, asyncpg.PostgresError) as error:
                # It is noted again once the tokens have been read again.
                logger.warning("the last use of a token could not be written", extra={"reason": type(error).__name__})
                for digest in digests:
                    self._noted.pop(digest, None)


def _entry(token: Token, noted: int) -> _Entry:
    grant = RoleGrant(token.role, None if token.dags is None else dag_pattern(token.dags))
    used = 0 if token.last_used is None else (token.last_used - datetime.fromtimestamp(0, UTC).date()).days
    return _Entry(
        digest=token.digest,
        identity=Identity(f"{USER_PREFIX}{token.name}", backend=__name__),
        expires=inf if token.expires is None else token.expires.timestamp(),
        grants=(grant,),
        stamp=base64.b64encode(hashlib.sha256(b"session " + token.digest).digest()[:18]).decode(),
        day=max(used, noted),
    )


TOKENS = web.AppKey("TOKENS", Tokens)


async def startup(app: web.Application) -> None:
    """Read the tokens; raises StartupError if there is neither a file nor a table of them, or if it is not private."""
    found = Tokens(app)
    await found.start()
    app[TOKENS] = found


async def cleanup(app: web.Application) -> None:
    """Write the last uses."""
    if TOKENS in app:
        await app[TOKENS].close()


async def authenticate(request: web.Request) -> Identity:
    """Return whose token it is; 401 if there is none, 403 if it is not valid, 429 after too many of these."""
    sent: Sequence[str] = request.headers.getall(hdrs.AUTHORIZATION, ())
    scheme, _, text = sent[0].strip().partition(" ") if len(sent) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not (text := text.strip()):
        why = "there is more than one Authorization header" if len(sent) > 1 else "this server asks for a bearer token"
        raise Unauthorized(f"Unauthorized: {why}", _CHALLENGE)
    return await request.app[TOKENS].verify(text, request)


async def session_stamp(app: web.Application, user: str) -> str | None:
    """Return a digest of the token's digest: sessions end with the token."""
    entry = await app[TOKENS].entry(user)
    return None if entry is None else entry.stamp


async def roles(app: web.Application, user: str) -> Sequence[RoleGrant]:
    """Return the token's role; none if it is gone meanwhile."""
    entry = await app[TOKENS].entry(user)
    return () if entry is None else entry.grants
