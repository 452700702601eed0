"""The receiver: sends it one request at a time, and says what has become of it."""

import logging
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import aiohttp

from server.webhooks import signature
from windsock.version import __version__

if TYPE_CHECKING:
    from windsock.config import Config

logger = logging.getLogger(__name__)

_TIMEOUT = aiohttp.ClientTimeout(total=20, sock_connect=10)
_HEADERS = {"Content-Type": "application/json", "User-Agent": f"windsock/{__version__}"}
# A client of others raises ValueError for what it cannot make sense of, in a URL or in an answer.
_FAILURES = (aiohttp.ClientError, TimeoutError, OSError, ValueError)
_FIRST_ACCEPTED, _LAST_ACCEPTED = 200, 299
# A number of seconds that an answer asks for.
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)
_LONGEST_PAUSE = 3600


class Answer(NamedTuple):
    """What the receiver made of a request; `retry_after` is for how many seconds it wants to be left alone."""

    accepted: bool
    retry_after: float = 0.0


class Receiver:
    """Sends requests to `url`, and logs when it begins or ceases to fail. Of an answer it reads the head alone."""

    def __init__(self, url: str, keys: Sequence[bytes]) -> None:
        """Sign requests with `keys`. It needs a running event loop."""
        self._url, self._keys = url, keys
        parts = urlsplit(url)
        # Paths are often secrets, too.
        self._shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._fails = False
        self._session = aiohttp.ClientSession(
            timeout=_TIMEOUT, headers=_HEADERS, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def send(self, message_id: str, body: bytes) -> Answer:
        """Send a request, and wait at most 20 seconds for its answer; it never follows a redirect."""
        headers = signature.headers(self._keys, message_id, int(time.time()), body)
        try:
            async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
                status, asked = answer.status, answer.headers.get("Retry-After", "")
        except _FAILURES as error:
            self._note(type(error).__name__)
            return Answer(accepted=False)
        if _FIRST_ACCEPTED <= status <= _LAST_ACCEPTED:
            self._note(None)
            return Answer(accepted=True)
        self._note(f"status {status}")
        seconds = int(asked) if _SECONDS.fullmatch(asked) else 0
        return Answer(accepted=False, retry_after=min(seconds, _LONGEST_PAUSE))

    def _note(self, failure: str | None) -> None:
        """Log the first failure, and the first success after it."""
        if failure is not None and not self._fails:
            logger.warning(
                "the receiver of on_run_end_url does not accept requests; they are repeated",
                extra={"receiver": self._shown, "reason": failure},
            )
        elif failure is None and self._fails:
            logger.info("the receiver of on_run_end_url accepts requests again", extra={"receiver": self._shown})
        self._fails = failure is not None


@asynccontextmanager
async def receiver_of(config: "Config") -> AsyncIterator[Receiver]:
    """Make the receiver that is configured, while the block runs."""
    receiver = Receiver(config.on_run_end_url or "", config.on_run_end_secret)
    try:
        yield receiver
    finally:
        await receiver.close()
