"""HTTP for the JSON client, with the standard library only: one connection, cookies, proxies, careful retries."""

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, HTTPSConnection
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from windsock.client.auth import ClientAuth
from windsock.client.results import Unreachable
from windsock.text import count
from windsock.version import __version__

# The seconds before the second and before the third try.
_PAUSES = (0.2, 0.8)
_LONGEST_PAUSE = 5.0
_LONGEST_LINE = 2**20
_BUSY = frozenset({429, 502, 503, 504})
_UNAUTHORIZED = 401
_ERRORS = 400
_PORTS = {"http": 80, "https": 443}
Trace = Callable[[str], None]


class Reply(NamedTuple):
    """An answer; `uncertain` says that an earlier try of the same request may have been carried out."""

    status: int
    headers: HTTPMessage
    body: bytes
    uncertain: bool


class _Broken(Exception):
    """A try failed; `sent` says that the server may have seen the request."""

    def __init__(self, error: Unreachable, *, sent: bool) -> None:
        super().__init__(str(error))
        self.error, self.sent = error, sent


class _Request(NamedTuple):
    method: str
    target: str
    body: bytes | None
    headers: Mapping[str, str]


class Transport:
    """Sends requests to one server."""

    def __init__(self, url: SplitResult, auth: ClientAuth, timeout: float, trace: Trace) -> None:
        """`url` has scheme, host and port; `timeout` is in seconds; `trace` is called for every request."""
        self.host = url.hostname or ""
        port = url.port or _PORTS[url.scheme]
        shown = f"[{self.host}]" if ":" in self.host else self.host
        self.origin = f"{url.scheme}://{shown}" + (f":{port}" if port != _PORTS[url.scheme] else "")
        self._address = self.host, port
        self._secure = url.scheme == "https"
        self._auth, self._timeout, self._trace = auth, timeout, trace
        self._cookies: dict[str, str] = {}
        self._connection: HTTPConnection | None = None
        self._prefix, self._proxy_headers = "", dict[str, str]()

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def send(
        self, method: str, target: str, body: bytes | None, *, safe: bool, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a request; one that is `safe` to repeat is tried up to three times. Raises Unreachable."""
        request = _Request(method, target, body, headers or {})
        uncertain = False
        for pause in _PAUSES if safe else ():
            try:
                reply = self._authorized(request, uncertain=uncertain)
            except _Broken as broken:
                uncertain = uncertain or broken.sent
                self._trace(f"{broken}; trying again")
            else:
                if reply.status not in _BUSY:
                    return reply
                uncertain = True
                pause = max(pause, _retry_after(reply.headers))  # noqa: PLW2901 - the server knows better
            time.sleep(pause)
        try:
            return self._authorized(request, uncertain=uncertain)
        except _Broken as broken:
            raise broken.error from broken.__cause__

    @contextmanager
    def open(
        self, target: str, headers: Mapping[str, str], timeout: float
    ) -> Generator[tuple[Reply, Iterator[bytes]], None, None]:
        """Send a GET, and lend the answer and its lines as they come, on a connection of its own. Raises Unreachable.

        `timeout` is how long, in seconds, nothing may come.
        """
        own = copy(self)
        own._connection, own._timeout = None, max(timeout, self._timeout)  # noqa: SLF001 - another one of these
        try:
            response, content = own._exchange(_Request("GET", target, None, headers), streams=True)  # noqa: SLF001
            yield Reply(response.status, response.headers, content, uncertain=False), self._lines(response)
        except _Broken as broken:
            raise broken.error from broken.__cause__
        finally:
            own.close()

    def _lines(self, response: HTTPResponse) -> Iterator[bytes]:
        try:
            while line := response.readline(_LONGEST_LINE):
                yield line
        except (OSError, HTTPException) as error:
            raise self._explain(error) from error

    def _authorized(self, request: _Request, *, uncertain: bool) -> Reply:
        response, content = self._exchange(request)
        return Reply(response.status, response.headers, content, uncertain)

    def _exchange(self, request: _Request, *, streams: bool = False) -> tuple[HTTPResponse, bytes]:
        """Send a request with the session, if there is one, or credentials, and with credentials again after a 401."""
        headers = {} if self._cookies else self._auth.authorize(self.host, [])
        response, content = self._try(request, headers, streams=streams)
        if response.status == _UNAUTHORIZED:
            again = self._auth.authorize(self.host, response.headers.get_all("WWW-Authenticate") or [])
            if again and dict(again) != dict(headers):
                headers = again
                response, content = self._try(request, headers, streams=streams)
        # The server must prove itself for a good answer. An error needs no proof, because nobody relies on it.
        if headers and response.status < _ERRORS:
            self._auth.verify(response.headers.get_all("WWW-Authenticate") or [])
        return response, content

    def _try(self, request: _Request, authorization: Mapping[str, str], *, streams: bool) -> tuple[HTTPResponse, bytes]:
        method, target, body, own = request
        headers = {"Accept": "application/json", "User-Agent": f"windsock/{__version__}", **own, **authorization}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self._cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        start, sent = time.monotonic(), False
        try:
            connection = self._connect()
            sent = True
            connection.request(method, self._prefix + target, body, {**headers, **self._proxy_headers})
            response = connection.getresponse()
            stays_open = streams and response.status < _ERRORS
            content = b"" if stays_open else response.read()
        except (OSError, HTTPException) as error:
            self.close()
            raise _Broken(self._explain(error), sent=sent) from error
        if response.will_close and not stays_open:
            self.close()
        self._keep_cookies(response.headers.get_all("Set-Cookie") or ())
        took = (time.monotonic() - start) * 1000
        request_id = response.headers.get("X-Request-ID", "none")
        self._trace(f"{method} {self.origin}{target}: {response.status} in {took:.0f} ms, request id {request_id}")
        return response, content

    def _connect(self) -> HTTPConnection:
        if self._connection is None:
            connection = self._new_connection()
            connection.connect()
            self._connection = connection
        return self._connection

    def _new_connection(self) -> HTTPConnection:
        proxy = _proxy("https" if self._secure else "http", self._address[0])
        address, credentials = self._address, dict[str, str]()
        if proxy is not None:
            address = proxy.hostname or "", proxy.port or _PORTS["http"]
            credentials = _proxy_credentials(proxy)
        if not self._secure:
            self._prefix, self._proxy_headers = (self.origin if proxy else ""), credentials
            return HTTPConnection(*address, timeout=self._timeout)
        from ssl import create_default_context  # noqa: PLC0415 - where there is TLS alone

        context = create_default_context(cafile=os.environ.get("REQUESTS_CA_BUNDLE") or None)
        connection = HTTPSConnection(*address, timeout=self._timeout, context=context)
        if proxy is not None:
            connection.set_tunnel(*self._address, headers=credentials)
        return connection

    def _explain(self, error: OSError | HTTPException) -> Unreachable:
        what, then = f"{type(error).__name__}: {error}", "check [cli] endpoint_url"
        if isinstance(error, TimeoutError):
            what, then = f"no answer within {count(self._timeout, 'second')}", "[windsock] client_timeout may be raised"
        elif isinstance(error, ConnectionRefusedError):
            what, then = "nothing listens there", "is the server running? Else check [cli] endpoint_url"
        elif type(error).__name__ == "gaierror":
            what = "there is no such host"
        elif type(error).__name__ == "SSLCertVerificationError":
            what = f"its certificate is not trusted ({getattr(error, 'verify_message', error)})"
            then = "SSL_CERT_FILE may name a file with the authority that signed it"
        elif type(error).__name__.startswith("SSL"):
            what = f"TLS failed ({getattr(error, 'reason', error)})"
            then = "should [cli] endpoint_url begin with http:// instead?"
        elif isinstance(error, ConnectionError):
            what, then = "the connection broke before the answer", "the server's log may tell why"
        elif isinstance(error, HTTPException):
            what = "what answers there does not speak HTTP as expected"
        return Unreachable(f"cannot reach {self.origin}: {what}; {then}", repr(error))

    def _keep_cookies(self, lines: Iterable[str]) -> None:
        for line in lines:
            pair, *attributes = (part.strip() for part in line.split(";"))
            name, _, value = pair.partition("=")
            lower = {attribute.lower() for attribute in attributes}
            if "secure" in lower and not self._secure:
                continue
            if value.strip('"') and "max-age=0" not in lower:
                self._cookies[name] = value
            else:
                self._cookies.pop(name, None)


def _retry_after(headers: HTTPMessage) -> float:
    text = headers.get("Retry-After", "")
    return min(float(text), _LONGEST_PAUSE) if text.isdecimal() else 0.0


def _proxy(scheme: str, host: str) -> SplitResult | None:
    """Return the proxy that the environment names, as curl and requests do."""
    if not any(name.lower() in {f"{scheme}_proxy", "all_proxy"} for name in os.environ):
        return None
    from urllib import request  # noqa: PLC0415 - heavy

    proxies = request.getproxies_environment()
    named = proxies.get(scheme) or proxies.get("all")
    if not named or request.proxy_bypass_environment(host):  # type: ignore[attr-defined]
        return None
    return urlsplit(named if "//" in named else f"//{named}")


def _proxy_credentials(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    from base64 import b64encode  # noqa: PLC0415 - rare

    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
