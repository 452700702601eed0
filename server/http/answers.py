"""Answers: JSON bytes with the headers that every answer has."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter

from server.http.keys import ANSWER_HEADERS, TRAFFIC
from server.http.shortcuts import SHORTCUTS
from server.logs import REQUEST_ID
from server.wire import ascii_json, encode, warning_header
from windsock.protocol import WARNING_HEADER, Code

# It has no version, because that would tell an attacker more than a caller.
SERVER = "windsock"
_REASONS = {
    404: "Not found: there is no such endpoint",
    405: "Method not allowed here; the Allow header lists those that are",
    417: "Expect may be 100-continue and nothing else",
}
_CODES = {
    404: Code.ENDPOINT_NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    413: Code.BODY_TOO_LARGE,
    417: Code.EXPECTATION_FAILED,
}
_SERVER_ERRORS = 500
_HEADERS = {"Content-Type": "application/json", "Server": SERVER}
ALWAYS = "".join(f"{name}: {value}\r\n" for name, value in _HEADERS.items())


class Answer(web.Response):
    """A JSON answer that is complete; `headers` are the additional ones."""

    def __init__(self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Answer `body`."""
        if SHORTCUTS.fill is None:
            super().__init__(body=body, status=status, headers=headers)
        else:
            SHORTCUTS.fill(self, body, status, headers)

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Let aiohttp write the answer, in a dozen calls."""
        self.headers.update(_HEADERS)
        return await super().prepare(request)


def json_bytes(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with compact JSON that is already encoded; characters outside of ASCII are escaped."""
    return Answer(ascii_json(body), status, headers)


def json_answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with `value` as JSON."""
    return json_bytes(encode(value), status, headers)


def error_answer(
    code: Code, message: str, status: int, headers: Mapping[str, str] | None = None, **more: str
) -> web.Response:
    """Answer with `{"code": code, "error": message}`, with sorted keys, as all answers have them."""
    return json_answer({"code": code, "error": message, **more}, status, headers)


def http_error(error: web.HTTPException) -> web.Response:
    """Turn an error that aiohttp itself raises into JSON, without the input that it echoes."""
    kept = {name: value for name, value in error.headers.items() if name in {"Allow", "Location"}}
    usual = Code.INVALID_REQUEST if error.status < _SERVER_ERRORS else Code.INTERNAL_ERROR
    code = _CODES.get(error.status, usual)
    return error_answer(code, _REASONS.get(error.status, error.reason), error.status, kept)


def text_answer(text: str) -> web.Response:
    """Answer with plain text."""
    headers = {"Content-Type": "text/plain; charset=utf-8", "Server": SERVER, "X-Content-Type-Options": "nosniff"}
    return web.Response(text=text, headers=headers)


async def json_list(
    request: web.Request, pages: AsyncGenerator[Sequence[str], None], headers: Mapping[str, str]
) -> web.StreamResponse:
    """Answer with a JSON list whose items come in pages, already encoded; a list of one page is sent as a whole."""
    # If a client has gone, the garbage collector alone would close its pages late, and they hold a database connection.
    async with aclosing(pages):
        first = await _next(pages) or ()
        second = await _next(pages)
        if second is None:
            return json_bytes(f"[{','.join(first)}]\n".encode(), headers=headers)
        response = streamed(request, headers)
        await response.prepare(request)
        if request.method == hdrs.METH_HEAD:
            return response
        try:
            await response.write(ascii_json(f"[{','.join([*first, *second])}".encode()))
            async for page in pages:
                await response.write(ascii_json(f",{','.join(page)}".encode()))
            await response.write(b"]\n")
        except BaseException:
            # It is too late for another status. The broken connection tells the client, and the log has the error.
            if request.transport:
                request.transport.abort()
            raise
        return response


def streamed(request: web.Request, headers: Mapping[str, str]) -> web.StreamResponse:
    """Begin an answer as the middlewares would: with their headers, and closing the connection where they close it."""
    request_id = REQUEST_ID.get()
    all_headers = {**_HEADERS, **headers, **request.get(ANSWER_HEADERS, {}), "X-Request-ID": request_id}
    if (warning := warning_header.joined()) is not None:
        all_headers[WARNING_HEADER] = warning
    response = web.StreamResponse(headers=all_headers)
    if request.app[TRAFFIC].stopping or request.version < HttpVersion11:
        # HTTP/1.0 has no chunks: the end of the connection marks the end of the answer.
        response.force_close()
    return response


async def _next(pages: AsyncGenerator[Sequence[str], None]) -> Sequence[str] | None:
    """Return the next page, None after the last; `anext` with a default fails on some Python 3.11 (SystemError)."""
    async for page in pages:
        return page
    return None
