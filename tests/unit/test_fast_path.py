"""The fast path is taken with an aiohttp that is as expected; any other serves plainly, and the log says so."""

import asyncio
import logging
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from aiohttp import base_protocol, helpers, http, web, web_protocol

from server.api.middleware import errors
from server.fast import compatibility
from server.http.answers import json_bytes
from server.http.keys import TRAFFIC, Traffic
from server.http.shortcuts import SHORTCUTS
from server.serving.listener import serving_app
from tests.live import config_for

Change = Callable[[pytest.MonkeyPatch], None]
Handler = web.RequestHandler


def gone(owner: object, name: str, patch: pytest.MonkeyPatch) -> None:
    patch.delattr(owner, name)


def never_set(owner: type, name: str, patch: pytest.MonkeyPatch) -> None:
    """As if aiohttp called it otherwise."""
    for base in owner.__mro__:
        if name in getattr(base, "__slots__", ()):
            patch.delattr(base, name)

    begin = owner.__init__  # type: ignore[misc]

    def elsewhere(self: object, *args: object, **kwargs: object) -> None:
        begin(self, *args, **kwargs)
        vars(self).pop(name, None)

    class Renamed(owner):  # type: ignore[misc]
        __init__ = elsewhere

    patch.setattr(web, owner.__name__, Renamed)


def other(owner: object, name: str, value: object, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(owner, name, value)


def begun_with_more(patch: pytest.MonkeyPatch) -> None:
    begin = web.StreamResponse.__init__

    def with_more(self: web.StreamResponse, **options: Any) -> None:  # noqa: ANN401 - aiohttp's
        begin(self, **options)
        self._more = None  # type: ignore[attr-defined]

    patch.setattr(web.StreamResponse, "__init__", with_more)


async def _drains(self: object, seconds: float) -> None:
    del self, seconds


def _drains_at_once(self: object) -> None:
    del self


class _Writer(http.StreamWriter):
    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: object) -> None:
        super().__init__(protocol, loop)  # type: ignore[arg-type]


CHANGES: dict[str, Change] = {
    **{
        f"RequestHandler.{name} has another name": partial(never_set, Handler, name)
        for name in ("_messages", "_waiter", "_keepalive_handle", "_reading_paused", "_parser", "_task_handler")
    },
    "_drain_helper is gone": partial(gone, base_protocol.BaseProtocol, "_drain_helper"),
    "_process_keepalive is gone": partial(gone, Handler, "_process_keepalive"),
    "_ErrInfo is gone": partial(gone, web_protocol, "_ErrInfo"),
    "rfc822_formatted_time is gone": partial(gone, helpers, "rfc822_formatted_time"),
    "_match_info is gone": partial(gone, web.Request, "_match_info"),
    "_cookies is gone": partial(gone, web.StreamResponse, "_cookies"),
    "_eof_sent is gone": partial(gone, web.StreamResponse, "_eof_sent"),
    "_drain_helper wants more": partial(other, base_protocol.BaseProtocol, "_drain_helper", _drains),
    "_drain_helper is no coroutine": partial(other, base_protocol.BaseProtocol, "_drain_helper", _drains_at_once),
    "StreamWriter is made otherwise": partial(other, http, "StreamWriter", _Writer),
    "an answer begins with more": begun_with_more,
    "messages are kept otherwise": partial(other, web_protocol, "deque", list),
}


@pytest.fixture(autouse=True)
def _checked_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compatibility, "_found", {})
    monkeypatch.setattr(SHORTCUTS, "fill", None)
    # What an aiohttp lacks is noticed when these are imported.
    for name in ("whole_answers", "dispatch", "feeding", "connection"):
        monkeypatch.delitem(__import__("sys").modules, f"server.fast.{name}", raising=False)


async def ask(fast_path: str = "True") -> bytes:
    """Serve, and ask three requests of one connection, one of them with a body that comes later."""

    async def answer(request: web.Request) -> web.Response:
        return json_bytes(request.path.encode() + await request.read())

    config, traffic = config_for("postgresql://nowhere", shutdown_timeout="1", fast_path=fast_path), Traffic()
    app = web.Application(middlewares=[errors(config, traffic)])
    app[TRAFFIC] = traffic
    app.router.add_route("*", "/{name}", answer)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0)
        async with serving_app(app, config, listening):
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            writer.write(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nPOST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n")
            await asyncio.sleep(0.05)
            writer.write(b"xyGET /c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            async with asyncio.timeout(10):
                answers = await reader.read()
            writer.close()
            return answers


async def test_this_aiohttp_is_as_expected(caplog: pytest.LogCaptureFixture) -> None:
    """The fast path is taken, and nothing is said."""
    assert (await ask()).count(b"HTTP/1.1 200 OK") == 3
    assert (compatibility._found, SHORTCUTS.fill is not None, caplog.messages) == ({None: None}, True, [])


async def test_it_can_be_switched_off(caplog: pytest.LogCaptureFixture) -> None:
    """By the option; that is no reason for a warning."""
    assert (await ask("False")).count(b"HTTP/1.1 200 OK") == 3
    assert (compatibility._found, SHORTCUTS.fill, caplog.messages) == ({}, None, [])


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_a_change_is_noticed(
    change: Change, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A name that is gone, other parameters, another behaviour: one warning, and plain aiohttp serves."""
    with monkeypatch.context() as patch:
        change(patch)
        problem = await compatibility.look_for_problem()
    assert problem is not None
    monkeypatch.setattr(compatibility, "_found", {None: problem})
    caplog.set_level(logging.WARNING)
    for _ in range(2):
        assert (await ask()).count(b"HTTP/1.1 200 OK") == 3
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert SHORTCUTS.fill is None
    assert problem in {getattr(record, "reason", None) for record in caplog.records}
