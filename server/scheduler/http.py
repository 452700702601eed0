"""SimpleHttpOperator: a request, made by the scheduler's own process, which costs no process for waiting."""

import json
import os
import ssl
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import aiohttp

from server.scheduler.errors import TaskFailed
from server.scheduler.running import Running

_ERRORS = 400
_LARGEST = 2**20
_TIMEOUT = 60.0


async def run_http(running: Running, fields: dict[str, Any]) -> str:
    """Make the request and return the body of the answer. Raises TaskFailed for a status of 400 and above."""
    base, headers = _connection(fields.get("http_conn_id", "http_default"))
    url = _url(base, str(fields.get("endpoint") or ""))
    method = str(fields.get("method", "POST")).upper()
    options = fields.get("extra_options") or {}
    data = fields.get("data")
    arguments: dict[str, Any] = {"params" if method in {"GET", "HEAD"} else "data": _form(data) or None}
    running.log.say(f"{method} {url}")
    timeout = _timeout(options.get("timeout"))
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(
                method,
                url,
                headers={**headers, **(fields.get("headers") or {})},
                allow_redirects=bool(options.get("allow_redirects", True)),
                ssl=_tls(options.get("verify", True)),
                **arguments,
            ) as response,
        ):
            text = await _read(response)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise TaskFailed(f"the request failed: {type(error).__name__}: {error}") from error
    running.log.say(f"answered {response.status} {response.reason}")
    failed = response.status >= _ERRORS and options.get("check_response", True)
    if fields.get("log_response") or failed:
        running.log.say(text)
    if failed:
        raise TaskFailed(f"the server answered {response.status} {response.reason}")
    return text


def _timeout(given: Any) -> aiohttp.ClientTimeout:  # noqa: ANN401 - any YAML value
    """As requests has it: seconds for the connection and for each wait, or a pair of them; by default for the whole."""
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
    try:
        return body.decode(response.charset or "utf-8", errors="replace")
    except LookupError:
        return body.decode("utf-8", errors="replace")


def _tls(verify: bool | str) -> bool | ssl.SSLContext:  # noqa: FBT001 - as requests has it
    """Make what aiohttp wants of `verify`: yes, no, or a file of certificates to trust."""
    return ssl.create_default_context(cafile=verify) if isinstance(verify, str) else bool(verify)


def _connection(conn_id: str) -> tuple[str, dict[str, str]]:
    """The server and the headers of a connection as Airflow has it in the environment.

    It is a URL, such as AIRFLOW_CONN_HTTP_DEFAULT=https://user:password@host/?X-Header=value, or JSON.
    """
    text = os.environ.get(f"AIRFLOW_CONN_{conn_id.upper()}", "")
    if not text:
        return "", {}
    try:
        return _server(json.loads(text) if text.startswith("{") else _parts_of_url(text))
    except (TypeError, ValueError, AttributeError) as error:
        raise TaskFailed(f"AIRFLOW_CONN_{conn_id.upper()} in the environment is no connection") from error


def _parts_of_url(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    path = parts.path.strip("/")
    return {
        "schema": path if path in {"http", "https"} else parts.scheme,
        "host": unquote(parts.hostname or ""),
        "port": parts.port,
        "login": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "extra": dict(parse_qsl(parts.query)),
    }


def _server(given: dict[str, Any]) -> tuple[str, dict[str, str]]:
    host, extra = given.get("host") or "", given.get("extra") or {}
    if "://" not in host:
        scheme = given.get("schema")
        host = f"{scheme if scheme in {'http', 'https'} else 'http'}://{host}"
    if given.get("port"):
        host = f"{host}:{given['port']}"
    headers = {name: str(value) for name, value in (json.loads(extra) if isinstance(extra, str) else extra).items()}
    if login := given.get("login"):
        headers["Authorization"] = aiohttp.encode_basic_auth(login, given.get("password") or "", "utf-8")
    return host, headers


def _url(base: str, endpoint: str) -> str:
    if endpoint.startswith(("http://", "https://")):
        return endpoint
    if not base:
        raise TaskFailed(
            f"`endpoint` is {endpoint!r}: give a whole URL, or the server's in the environment, as"
            " AIRFLOW_CONN_HTTP_DEFAULT=https://host for `http_conn_id: http_default`"
        )
    return f"{base.rstrip('/')}/{endpoint.lstrip('/')}"


def _form(data: Any) -> Any:  # noqa: ANN401 - any YAML value
    """Text as it is; of a mapping its pairs, one for each item of a list."""
    if isinstance(data, dict):
        pairs = ((key, value if isinstance(value, list) else [value]) for key, value in data.items())
        return [(key, str(item)) for key, items in pairs for item in items]
    return data if data is None or isinstance(data, str) else str(data)
