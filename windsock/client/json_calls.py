"""How the client over HTTP sends a request and reads its answer."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import unquote, urlencode, urlsplit

from windsock.client.auth import Basic, Bearer, ClientAuth
from windsock.client.credentials import Given
from windsock.client.events import Message, read_messages
from windsock.client.replies import Answers, warning_of
from windsock.client.results import Answer
from windsock.client.transport import Reply, Transport
from windsock.errors import ConfigError
from windsock.protocol import PREFIX

_OK = 200
# In seconds. The server says something at least every 15.
_SILENCE = 45.0


class JsonCalls:
    """Requests to one server; `read` takes its answers apart."""

    def __init__(
        self,
        endpoint_url: str,
        given: Given,
        auth: ClientAuth | None,
        timeout: float,
        trace: Callable[[str], None] | None,
        warn: Callable[[str], None] | None,
    ) -> None:
        """Raises ConfigError if the URL or the token is not valid. `auth` counts before what is `given`, a token first.

        The arguments are those of `JsonClient`.
        """
        try:
            url = urlsplit(endpoint_url)
            usable = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise ConfigError("[cli] endpoint_url: expected a URL such as http://localhost:8080")
        if auth is None:
            username = given.username or unquote(url.username or "")
            password = given.password or unquote(url.password or "")
            auth = Bearer(given.token) if given.token else Basic(username, password) if username else ClientAuth()
        self._transport = Transport(url, auth, timeout, trace or (lambda _line: None))
        self._warn = warn
        place = url.path.rstrip("/").removesuffix(PREFIX)
        self._base = place + PREFIX
        self.read = Answers(self._transport.origin, place)

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Reply:
        """Send a GET, which is tried again where it fails on the way; raises Unreachable."""
        target = f"{path}?{urlencode(query, errors='surrogateescape')}" if query else path
        return self.send("GET", target, safe=True)

    def list_with_details(self, path: str, name: str | None) -> list[Answer]:
        """Return a list of objects; with a `name`, that of a field which only the details have, those with details.

        Raises ApiError, with the code `endpoint_not_found` for a server that does not have these.
        """
        reply = self.get(path, [] if name is None else [("details", "true")])
        found = self.read.list_of(reply)
        if name is not None and any(name not in one for one in found):
            raise self.read.too_old(reply)
        return found

    def stream(self, path: str, query: Sequence[tuple[str, str]], last_id: str | None) -> Iterator[Message]:
        """Open a stream of events that goes on after an event, and read it; raises ApiError and Unreachable."""
        headers = {"Accept": "text/event-stream", **({} if last_id is None else {"Last-Event-ID": last_id})}
        target = f"{self._base}/{path}" + (f"?{urlencode(query, errors='surrogateescape')}" if query else "")
        with self._transport.open(target, headers, _SILENCE) as (reply, lines):
            self.read.require(reply, _OK)
            if not reply.headers.get("Content-Type", "").startswith("text/event-stream"):
                raise self.read.no_api(reply)
            yield from read_messages(lines)

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | Sequence[object] | None = None,
        *,
        safe: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send a request, with a `body` as JSON; one that is `safe` may be tried again. Raises Unreachable."""
        content = None if body is None else json.dumps(body).encode()
        reply = self._transport.send(method, f"{self._base}/{path}", content, safe=safe, headers=headers)
        if self._warn is not None and (warning := warning_of(reply)) is not None:
            self._warn(warning)
        return reply
