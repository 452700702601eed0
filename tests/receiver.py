"""A receiver of what the server tells when a run ends: a real HTTP server that verifies signatures by itself."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import web

KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
PATH = "/hook/se-cret"

Answer = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse | None]]


class Told(NamedTuple):
    """A request that has come: its `webhook-id`, the run's details, when, and the body."""

    id: str
    run: dict[str, Any]
    moment: float
    body: bytes


class Receiver:
    """What has come; `answer` may answer a request itself."""

    def __init__(self) -> None:
        self.came: list[Told] = []
        self.url = ""
        self.elsewhere = 0
        self.answer: Answer | None = None

    @property
    def runs(self) -> list[str]:
        """The ids of the runs, in the order in which they came."""
        return [one.run["run_id"] for one in self.came]

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Verify a request and note it."""
        body, named = await request.read(), request.headers
        moment = named["webhook-timestamp"]
        assert abs(time.time() - int(moment)) < 30
        signed = f"{named['webhook-id']}.{moment}.".encode() + body
        expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        assert f"v1,{expected}" in named["webhook-signature"].split(" ")
        assert named["Content-Type"] == "application/json"
        run = json.loads(body)
        self.came.append(Told(named["webhook-id"], run, time.monotonic(), body))
        answer = await self.answer(request, run) if self.answer else None
        return answer or web.Response()

    async def see(self, _request: web.Request) -> web.Response:
        """Count a request to another path, which nobody should send."""
        self.elsewhere += 1
        return web.Response()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Receive while the block runs."""
    receiver = Receiver()
    app = web.Application(client_max_size=2**26)
    app.router.add_post(PATH, receiver.take)
    app.router.add_route("*", "/elsewhere", receiver.see)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}{PATH}"
    try:
        yield receiver
    finally:
        await asyncio.wait_for(runner.cleanup(), 10)
