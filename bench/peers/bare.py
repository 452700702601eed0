"""aiohttp answering a constant: uvloop, AppRunner, one handler, no access log."""

import asyncio
import sys

import uvloop
from aiohttp import web


async def _constant(_request: web.Request) -> web.Response:
    return web.Response(body=b'{"status":"OK"}\n', content_type="application/json")


async def _serve(port: int) -> None:
    app = web.Application()
    app.router.add_get("/api/experimental/test", _constant)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
