"""SimpleHttpOperator: a request, made by the scheduler's own process, which costs no process for waiting."""

import os
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import aiohttp

from server.scheduler.errors import TaskFailed
from server.scheduler.running import Running

_LARGEST = 2**20
_TIMEOUT = 60.0


async def run_http(running: Running, fields: dict[str, Any]) -> str:
    """Make the request and return the body of the answer. Raises TaskFailed for a status of 400 and above."""
    base, headers = _connection(fields.get("http_conn_id", "http_default"))
    url = _url(base, str(fields.get("endpoint") or ""))
    method = str(fields.get("method", "POST")).upper()
    options = fields.get("extra_options") or {}
    data = fields.get("data")
    arguments: dict[str, Any] = {"params" if method in {"GET", "HEAD"} else "data": _text(data) or None}
    running.log.say(f"{method} {url}")
    timeout = aiohttp.ClientTimeout(total=float(options.get("timeout") or _TIMEOUT))
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(
                method,
                url,
                headers={**headers, **(fields.get("headers") or {})},
                allow_redirects=bool(options.get("allow_redirects", True)),
                ssl=bool(options.get("verify", True)),
                **arguments,
            ) as response,
        ):
            body = await response.content.read(_LARGEST)
            text = body.decode(response.get_encoding(), errors="replace")
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise TaskFailed(f"the request failed: {type(error).__name__}: {error}") from error
    running.log.say(f"answered {response.status} {response.reason}")
    if fields.get("log_response") or response.status >= 400:  # noqa: PLR2004 - HTTP's errors begin there
        running.log.say(text)
    if response.status >= 400:  # noqa: PLR2004 - likewise
        raise TaskFailed(f"the server answered {response.status} {response.reason}")
    return text


def _connection(conn_id: str) -> tuple[str, dict[str, str]]:
    """The server and the headers of a connection as Airflow has it in the environment.

    It is a URL, such as AIRFLOW_CONN_HTTP_DEFAULT=https://user:password@host/?X-Header=value.
    """
    uri = os.environ.get(f"AIRFLOW_CONN_{conn_id.upper()}")
    if not uri:
        return "", {}
    parts = urlsplit(uri)
    scheme = parts.path.strip("/") if parts.path.strip("/") in {"http", "https"} else parts.scheme
    host = unquote(parts.hostname or "")
    if "://" not in host:
        host = f"{scheme if scheme in {'http', 'https'} else 'http'}://{host}"
    if parts.port:
        host = f"{host}:{parts.port}"
    headers = dict(parse_qsl(parts.query))
    if parts.username:
        user, password = unquote(parts.username), unquote(parts.password or "")
        headers["Authorization"] = aiohttp.encode_basic_auth(user, password, "utf-8")
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


def _text(data: Any) -> Any:  # noqa: ANN401 - any YAML value
    if isinstance(data, dict):
        return {key: value if isinstance(value, str) else str(value) for key, value in data.items()}
    return data if data is None or isinstance(data, str) else str(data)
