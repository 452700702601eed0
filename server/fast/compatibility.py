"""Tests whether the installed aiohttp is as the fast path expects: its private names, and how they behave."""

import asyncio
import importlib
import inspect
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from types import NoneType

from aiohttp import web

from server.http.answers import json_bytes
from server.http.connection import HttpProtocol
from server.http.shortcuts import SHORTCUTS
from server.http.slow_readers import SlowReaders

_CONNECTION: Mapping[str, type | tuple[type, ...]] = {
    "_close": bool,
    "_force_close": bool,
    "_keepalive": bool,
    "_keepalive_handle": NoneType,
    "_keepalive_timeout": (int, float),
    "_lingering_time": float,
    "_loop": asyncio.AbstractEventLoop,
    "_max_msg_queue_size": int,
    "_messages": deque,
    "_next_keepalive_close_time": (int, float),
    "_parser": object,
    "_reading_paused": bool,
    "_task_handler": NoneType,
    "_waiter": NoneType,
}
_FEEDING = ("_lingering_time", "_max_msg_queue_size", "_messages", "_parser")
_ANSWER: Mapping[str, type | tuple[type, ...]] = {
    "_body": bytes,
    "_cookies": NoneType,
    "_eof_sent": bool,
    "_headers": object,
    "_keep_alive": NoneType,
    "_reason": str,
    "_status": int,
}
# All that an answer has when it begins.
_BEGUN = frozenset({"_headers", "_reason", "_state", "_status"})
# The functions that are called, with the parameters that the calls rely on; others may follow if they have defaults.
_CALLS: tuple[tuple[object, str, tuple[str, ...]], ...] = (
    (web.RequestHandler, "_drain_helper", ("self",)),
    (web.RequestHandler, "_process_keepalive", ("self",)),
    (web.RequestHandler, "data_received", ("self", "data")),
    (web.RequestHandler, "force_close", ("self",)),
    (web.RequestHandler, "resume_reading", ("self", "resume_parser")),
    (web.RequestHandler, "start", ("self",)),
    (web.BaseRequest, "__init__", ("self", "message", "payload", "protocol", "payload_writer", "task", "loop")),
)
_TURNS = 40
_GET = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
_POST = b"POST /d HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n"
_CONVERSATION = (
    _GET % b"a",
    _GET % b"b",
    _GET % b"c",
    _POST + b"body",
    _POST,
    b"body",
    _GET % b"e" + (_GET % b"f").replace(b"GET", b"HEAD") + _GET % b"nowhere/g",
)
_found: dict[None, str | None] = {}


async def find_problem() -> str | None:
    """Return what is not as expected, None if all is; a process tests this only once."""
    if None not in _found:
        _found[None] = await look_for_problem()
    return _found[None]


async def look_for_problem() -> str | None:
    """Return what is not as expected, None if all is."""
    try:
        return _of_names() or await _of_behaviour()
    except Exception as error:  # noqa: BLE001 - whatever another release makes of it
        return f"{type(error).__name__}: {error}"


def fits_feeding() -> bool:
    """Whether everything that `feeding` needs exists."""
    try:
        importlib.import_module("server.fast.feeding")
        connection = _connection()
        problems = _attributes(connection, {name: _CONNECTION[name] for name in _FEEDING})
        return not list(problems) and callable(getattr(connection._parser, "message_consumed", None))
    except Exception:  # noqa: BLE001 - as above
        return False


def _connection() -> web.RequestHandler:
    async def handler(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response()

    return web.RequestHandler(web.Server(handler), loop=asyncio.get_running_loop())


def _of_names() -> str | None:
    connection = _connection()
    answer = web.Response(body=b"")
    problems = [
        *_attributes(connection, _CONNECTION),
        *_attributes(answer, _ANSWER),
        *_attributes(web.Application(), {"_client_max_size": int}),
        *(problem for owner, name, parameters in _CALLS if (problem := _call(owner, name, parameters))),
    ]
    if vars(web.StreamResponse()).keys() != _BEGUN:
        problems.append(f"a new StreamResponse has {', '.join(sorted(vars(web.StreamResponse())))}")
    if not hasattr(web.Request, "_match_info"):
        problems.append("Request has no _match_info")
    if not callable(getattr(connection._parser, "message_consumed", None)):
        problems.append("the parser has no message_consumed")
    if not inspect.iscoroutinefunction(web.RequestHandler._drain_helper):
        problems.append("_drain_helper is no coroutine function")
    return problems[0] if problems else None


def _attributes(owner: object, expected: Mapping[str, type | tuple[type, ...]]) -> Iterable[str]:
    for name, kind in expected.items():
        if not hasattr(owner, name):
            yield f"{type(owner).__name__} has no {name}"
        elif not isinstance(getattr(owner, name), kind):
            yield f"{type(owner).__name__}.{name} is {type(getattr(owner, name)).__name__}"


def _call(owner: object, name: str, parameters: tuple[str, ...]) -> str | None:
    found = getattr(owner, name, None)
    if found is None:
        return f"{getattr(owner, '__name__', owner)} has no {name}"
    known = list(inspect.signature(found).parameters.values())
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    more = [each for each in known[len(parameters) :] if each.default is each.empty and each.kind not in optional]
    if more or [each.name for each in known[: len(parameters)]] != list(parameters):
        return f"{name} has the parameters {', '.join(each.name for each in known)}"
    return None


class _Memory(asyncio.Transport):
    """A transport without a peer; the writer waits after each write."""

    def __init__(self, protocol: HttpProtocol) -> None:
        super().__init__()
        self.written = b""
        self._protocol = protocol
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep the data, and let the writer wait for a turn of the loop."""
        self.written += bytes(data)
        if not self._protocol.writing_paused:
            self._protocol.pause_writing()
            asyncio.get_running_loop().call_soon(self._protocol.resume_writing)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    abort = close

    def can_write_eof(self) -> bool:
        return False

    def is_reading(self) -> bool:
        return True

    def pause_reading(self) -> None:
        """Do nothing: no data comes by itself."""

    def resume_reading(self) -> None:
        """Do nothing: no data comes by itself."""

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing: no data is kept for long."""


async def _of_behaviour() -> str | None:
    """Have one conversation in both ways, and compare the answers."""
    from server.fast.connection import FastProtocol  # noqa: PLC0415
    from server.fast.dispatch import dispatcher  # noqa: PLC0415
    from server.fast.whole_answers import fill  # noqa: PLC0415

    async def answer(request: web.Request) -> web.Response:
        response = json_bytes(request.path.encode() + await request.read(), headers={"X-Test": "1"})
        if request.path == "/c":
            response.set_cookie("a", "b")
        return response

    app = web.Application()
    app.router.add_route("*", "/{name}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    assert runner.server is not None  # noqa: S101 - `setup` made it
    readers = SlowReaders(60)
    before, options = SHORTCUTS.fill, {"loop": asyncio.get_running_loop(), "access_log": None}
    try:
        SHORTCUTS.fill = None
        plain = await _converse(partial(_quiet(HttpProtocol), runner.server, readers, **options))
        SHORTCUTS.fill = fill
        fast = await _converse(
            partial(_quiet(FastProtocol), runner.server, readers, app=app, dispatch=dispatcher(app), **options)
        )
    finally:
        SHORTCUTS.fill = before
        await runner.cleanup()
    return None if fast == plain else f"it answers {fast} instead of {plain}"


def _quiet(kind: type[HttpProtocol]) -> type[HttpProtocol]:
    """Let a failure in a conversation end it, without a line in the log."""

    class Quiet(kind):  # type: ignore[misc, valid-type]
        async def start(self) -> None:
            with suppress(Exception):
                await super().start()

        def handle_error(self, *_: object, **__: object) -> web.StreamResponse:
            raise ConnectionError

    return Quiet


async def _converse(make: Callable[..., HttpProtocol]) -> list[list[bytes]]:
    """Return the answers, as their sorted lines without the date."""
    protocol = make()
    transport = _Memory(protocol)
    protocol.connection_made(transport)
    for part in _CONVERSATION:
        protocol.data_received(part)
        for _ in range(_TURNS):
            await asyncio.sleep(0)
    protocol.connection_lost(None)
    await asyncio.sleep(0)
    answers = re.sub(rb"Date: [^\r]*\r\n", b"", transport.written).split(b"HTTP/1.1 ")
    return [sorted(answer.split(b"\r\n")) for answer in answers]
