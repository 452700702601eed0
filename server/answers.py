"""Answers: JSON bytes with the headers that every one carries."""

from collections.abc import AsyncIterator, Mapping, Sequence

from aiohttp import web
from multidict import CIMultiDict

from server.resources import ANSWER_HEADERS
from server.wire import encode

# Without a version: it tells an attacker more than a caller.
SERVER = "windsock"
_REASONS = {
    404: "Not found: there is no such endpoint",
    405: "Method not allowed here; the Allow header lists those that are",
    417: "Expect may be 100-continue and nothing else",
}
_HEADERS = CIMultiDict({"Content-Type": "application/json", "Server": SERVER})


def json_bytes(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with JSON that is encoded already."""
    all_headers = _HEADERS.copy()
    if headers:
        all_headers.update(headers)
    return web.Response(body=body, status=status, headers=all_headers)


def json_answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with `value` as JSON."""
    return json_bytes(encode(value), status, headers)


def error_answer(message: str, status: int, headers: Mapping[str, str] | None = None, **more: str) -> web.Response:
    """Answer with `{"error": message}`."""
    return json_answer({"error": message, **more}, status, headers)


def http_error(error: web.HTTPException) -> web.Response:
    """Answer what aiohttp itself raises, as JSON and without what it echoes."""
    kept = {name: value for name, value in error.headers.items() if name in {"Allow", "Location"}}
    return error_answer(_REASONS.get(error.status, error.reason), error.status, kept)


def text_answer(text: str) -> web.Response:
    """Answer with plain text."""
    return web.Response(text=text, headers={"Content-Type": "text/plain; charset=utf-8", "Server": SERVER})


async def json_list(
    request: web.Request, pages: AsyncIterator[Sequence[str]], headers: Mapping[str, str]
) -> web.StreamResponse:
    """Answer with a JSON list whose items come in pages, already encoded; a list of one page is sent whole."""
    first = await _next(pages) or ()
    second = await _next(pages)
    if second is None:
        return json_bytes(f"[{', '.join(first)}]\n".encode(), headers=headers)
    response = web.StreamResponse(headers={**_HEADERS, **headers, **request.get(ANSWER_HEADERS, {})})
    await response.prepare(request)
    await response.write(f"[{', '.join([*first, *second])}".encode())
    async for page in pages:
        await response.write(f", {', '.join(page)}".encode())
    await response.write(b"]\n")
    return response


async def _next(pages: AsyncIterator[Sequence[str]]) -> Sequence[str] | None:
    """Take the next page, None after the last; `anext` with a default breaks on some Python 3.11 (SystemError)."""
    async for page in pages:
        return page
    return None
