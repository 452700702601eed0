"""An HTTP server, as Airflow's connections in the environment name it, and the credentials for that server only."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import aiohttp
from yarl import URL

from server.standalone.scheduler.task_outcomes import TaskFailed

_SCHEMES = frozenset({"http", "https"})
# RFC 3986, 3.1: a text that begins like this names a server itself.
_ABSOLUTE = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class HttpConnection:
    """`base`: where the server's paths begin, None if no server is named; `headers` go only to its origin."""

    base: URL | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    conn_id: str = field(default="http_default", compare=False)

    def url(self, endpoint: str) -> URL:
        """Return the URL of an endpoint: a path on the server, or a whole URL, on that server if there is one.

        Raises TaskFailed.
        """
        if _CONTROL.search(endpoint):
            raise TaskFailed(f"`endpoint` has a control character: {endpoint!r:.200}")
        try:
            return self._url(endpoint)
        except ValueError as error:
            raise TaskFailed(f"`endpoint` does not make a URL: {endpoint!r:.200}: {error}") from error

    def _url(self, endpoint: str) -> URL:
        absolute = _ABSOLUTE.match(endpoint) is not None
        if self.base is None:
            if not absolute or (url := URL(endpoint.strip())).scheme not in _SCHEMES or not url.host:
                raise TaskFailed(
                    f"`endpoint` is {endpoint!r:.200}: give a whole URL, or the server's in the environment, as"
                    f" {_variable(self.conn_id)}=https://host for `http_conn_id: {self.conn_id:.100}`"
                )
            return url
        # The beginning of a joined text names the server only if a slash follows it.
        text = endpoint.strip() if absolute else f"{str(self.base).rstrip('/')}/{endpoint.lstrip('/')}"
        url = URL(text)
        if origin(url) != origin(self.base):
            raise TaskFailed(
                f"`endpoint` is {endpoint!r:.200}, on another server than the connection's, {self.base.origin()}:"
                " give a path, or an `http_conn_id` that names no server"
            )
        return url.with_user(None)


def origin(url: URL) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port of a URL (RFC 6454); URLs that differ in one of them are on different servers."""
    return url.scheme, url.raw_host, url.port


def find_connection(conn_id: str) -> HttpConnection:
    """Return the connection with that name; if the environment has none, one without a server. Raises TaskFailed.

    It is a URL, such as AIRFLOW_CONN_HTTP_DEFAULT=https://user:password@host/?X-Header=value, or JSON.
    """
    text = os.environ.get(_variable(conn_id), "")
    if not text:
        return HttpConnection(conn_id=conn_id)
    try:
        return _connection(conn_id, json.loads(text) if text.startswith("{") else _parts_of_url(text))
    except (TypeError, ValueError, AttributeError) as error:
        raise TaskFailed(f"{_variable(conn_id)} in the environment is not a connection") from error


def _variable(conn_id: str) -> str:
    return f"AIRFLOW_CONN_{conn_id.upper()}"


def _parts_of_url(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    path = parts.path.strip("/")
    host = unquote(parts.hostname or "")
    return {
        "schema": path if path in _SCHEMES else parts.scheme,
        "host": f"[{host}]" if ":" in host else host,
        "port": parts.port,
        "login": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "extra": dict(parse_qsl(parts.query)),
    }


def _connection(conn_id: str, given: dict[str, Any]) -> HttpConnection:
    extra = given.get("extra") or {}
    headers = {name: str(value) for name, value in (json.loads(extra) if isinstance(extra, str) else extra).items()}
    base = _base(given)
    login, password = given.get("login"), given.get("password")
    if base is not None and base.user and not login:
        login, password = base.user, base.password
    if login:
        headers["Authorization"] = aiohttp.encode_basic_auth(login, password or "", "utf-8")
    return HttpConnection(base and base.with_user(None), headers, conn_id)


def _base(given: dict[str, Any]) -> URL | None:
    host = given.get("host") or ""
    if not host:
        return None
    if "://" not in host:
        scheme = given.get("schema")
        host = f"{scheme if scheme in _SCHEMES else 'http'}://{host}"
    base = URL(host).with_query(None).with_fragment(None)
    if base.scheme not in _SCHEMES or not base.host:
        raise ValueError(host)
    return base.with_port(int(given["port"])) if given.get("port") else base
