"""SimpleHttpOperator: a request that the scheduler's own process makes, so that waiting costs no process."""

import codecs
import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp
from yarl import URL

from server.standalone.scheduler.http_connection import HttpConnection, find_connection, origin
from server.standalone.scheduler.run_command import Running
from server.standalone.scheduler.task_outcomes import TaskFailed

_ERRORS = 400
_LARGEST = 2**20
_TIMEOUT = 60.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 10
# These headers do not identify the sender, and may go to a server that nobody has named.
_PUBLIC = frozenset({"accept", "accept-encoding", "accept-language", "content-language", "content-type", "user-agent"})
# Encodings that take more than linear time, or are not encodings of text.
_ODD_ENCODINGS = frozenset({"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"})


async def run_http(running: Running, fields: dict[str, Any]) -> str:
    """Make the request and return the body of the answer. Raises TaskFailed for a status of 400 and above."""
    connection = find_connection(fields.get("http_conn_id", "http_default"))
    options = fields.get("extra_options") or {}
    request = _Request(running, connection, fields, options)
    try:
        async with aiohttp.ClientSession(timeout=timeout_of(options.get("timeout"))) as session:
            status, text = await request.send(session)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise TaskFailed(f"the request failed: {type(error).__name__}: {error}") from error
    failed = int(status.split()[0]) >= _ERRORS and options.get("check_response", True)
    if fields.get("log_response") or failed:
        running.log.say(text)
    if failed:
        raise TaskFailed(f"the server answered {status}")
    return text


class _Request:
    """A request and its redirects; each redirect goes to another URL, and carries fewer secrets."""

    def __init__(
        self, running: Running, connection: HttpConnection, fields: Mapping[str, Any], options: Mapping[str, Any]
    ) -> None:
        self._log = running.log
        self._url = connection.url(str(fields.get("endpoint") or ""))
        self._method = str(fields.get("method", "POST")).upper()
        self._headers = {**connection.headers, **(fields.get("headers") or {})}
        self._follows = bool(options.get("allow_redirects", True))
        self._tls = _tls(options.get("verify", True))
        kind = "params" if self._method in {"GET", "HEAD"} else "data"
        self._content: dict[str, Any] = {kind: form_of(fields.get("data")) or None}

    async def send(self, session: aiohttp.ClientSession) -> tuple[str, str]:
        """Return status and reason of the last answer, and its text."""
        for _ in range(_MOST_REDIRECTS + 1):
            self._log.say(f"{self._method} {self._url.with_user(None)}")
            async with session.request(
                self._method, self._url, headers=self._headers, allow_redirects=False, ssl=self._tls, **self._content
            ) as response:
                status = f"{response.status} {response.reason}"
                self._log.say(f"answered {status}")
                location = response.headers.get("Location") if response.status in _REDIRECTS else None
                if not (self._follows and location):
                    return status, await _read(response)
            self._redirect(session, response.status, location)
        raise TaskFailed(f"it was redirected more than {_MOST_REDIRECTS} times")

    def _redirect(self, session: aiohttp.ClientSession, status: int, location: str) -> None:
        """Follow a redirect as clients do (RFC 9110, 15.4): after a POST with a GET, unless the status forbids that."""
        url = self._url.join(URL(location))
        if url.scheme not in {"http", "https"} or not url.host:
            raise TaskFailed(f"it was redirected to something that is not a URL of a server: {location!r:.200}")
        if origin(url) != origin(self._url):
            # The credentials do not come back: another server chooses where the request goes from there.
            self._headers = {name: value for name, value in self._headers.items() if name.lower() in _PUBLIC}
            session.cookie_jar.clear()
            self._log.say("redirected to another server, which gets no credentials")
        if (status == 303 and self._method != "HEAD") or (status in {301, 302} and self._method == "POST"):  # noqa: PLR2004
            self._method, self._content = "GET", {}
            self._headers = {name: value for name, value in self._headers.items() if name.lower() != "content-type"}
        self._content.pop("params", None)
        self._url = url.with_user(None)


def timeout_of(given: Any) -> aiohttp.ClientTimeout:  # noqa: ANN401 - any YAML value
    """Read a timeout as requests does: seconds for connecting and for each wait, or a pair; by default for all."""
    if not given:
        return aiohttp.ClientTimeout(total=_TIMEOUT)
    try:
        connect, read = map(float, given if isinstance(given, list) else (given, given))
        return aiohttp.ClientTimeout(sock_connect=connect, sock_read=read)
    except (TypeError, ValueError):
        raise TaskFailed(f"`timeout` in `extra_options` is seconds, or a pair of them: {given!r}") from None


async def _read(response: aiohttp.ClientResponse) -> str:
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > _LARGEST:
            raise TaskFailed(f"the answer is over {_LARGEST} bytes")
    return decode_body(bytes(body), response.charset or "utf-8")


def decode_body(body: bytes, charset: str) -> str:
    """Decode the body as the server says, or as UTF-8 if that makes no sense."""
    try:
        name = codecs.lookup(charset).name
        return body.decode("utf-8" if name in _ODD_ENCODINGS else name, errors="replace")
    except (LookupError, ValueError):
        return body.decode("utf-8", errors="replace")


def _tls(verify: bool | str) -> bool | ssl.SSLContext:  # noqa: FBT001 - as requests has it
    """Return what aiohttp needs for `verify`: yes, no, or a file with trusted certificates."""
    return ssl.create_default_context(cafile=verify) if isinstance(verify, str) else bool(verify)


def form_of(data: Any) -> Any:  # noqa: ANN401 - any YAML value
    """Return a text as it is, and the pairs of a mapping, one for each item of a list."""
    if isinstance(data, dict):
        pairs = ((key, value if isinstance(value, list) else [value]) for key, value in data.items())
        return [(key, str(item)) for key, items in pairs for item in items]
    return data if data is None or isinstance(data, str) else str(data)
