"""Answers: JSON bytes with the headers that every one carries."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

# Without a version: it tells an attacker more than a caller.
SERVER = "windsock"
_HEADERS = {"Content-Type": "application/json", "Server": SERVER}


def encode(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """JSON with sorted keys and a final newline, as Airflow writes it."""
    return msgspec.json.encode(value, order="sorted") + b"\n"


def json_bytes(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with JSON that is encoded already."""
    return web.Response(body=body, status=status, headers={**_HEADERS, **headers} if headers else _HEADERS)


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:  # noqa: ANN401
    """Answer with `value` as JSON."""
    return json_bytes(encode(value), status, headers)


def error_answer(message: str, status: int, headers: Mapping[str, str] | None = None, **more: str) -> web.Response:
    """Answer with `{"error": message}`."""
    return json_answer({"error": message, **more}, status, headers)
