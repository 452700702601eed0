"""What the service says to browsers besides the page: in both of them, in frames of others, how much it sends."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Response, expect

from tests.page.ground import Ground
from tests.page.windows import Windows

pytestmark = [pytest.mark.page, pytest.mark.asyncio(loop_scope="session")]

FIRST_LOAD = 100_000


async def test_both_browsers(windows: Windows, ground: Ground, firefox: Browser) -> None:
    """The page begins in each of them, under its policy."""
    for browser in (None, firefox):
        page = await windows.open(ground.url, browser=browser)
        await expect(page.get_by_role("heading", level=1)).to_be_visible()


async def test_the_first_load_is_small(windows: Windows, crowd: str) -> None:
    """All that a window without anything gets until the rows are there, but for the data; with headers."""
    page = await windows.open(crowd, "/api/experimental/test")
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - Playwright wants a function
    await page.goto("/")
    await expect(page.locator("main tbody tr").nth(20)).to_be_visible()
    sizes = {answer.url: await sent(answer) for answer in answers if "/api/" not in answer.url}
    assert 20_000 < sum(sizes.values()) < FIRST_LOAD, sizes
    # The browser asks for all modules at once, instead of for one level of imports after the other. What is not needed
    # for the rows comes after them.
    named = await page.eval_on_selector_all("link[rel=modulepreload]", "links => links.map((link) => link.href)")
    others = {url.rpartition("/")[2] for url in sizes if url.endswith(".js") and url not in named}
    assert "theme.js" in others <= {"theme.js", "import_errors.js", "trouble.js"}


async def sent(answer: Response) -> int:
    """Bytes of an answer on the wire; a stream has begun alone."""
    headers = await answer.headers_array()
    return int(answer.headers.get("content-length", 0)) + sum(len(h["name"]) + len(h["value"]) + 4 for h in headers)


@pytest_asyncio.fixture(loop_scope="session")
async def other_site(ground: Ground) -> AsyncIterator[str]:
    """Serve a page of somebody else, who shows ours in a frame; its URL."""

    async def framing(_request: web.Request) -> web.Response:
        return web.Response(text=f"<h1>Win!</h1><iframe src='{ground.url}/'></iframe>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", framing)
    async with TestServer(app) as server:
        yield str(server.make_url(""))


async def test_no_other_site_shows_it_in_a_frame(windows: Windows, other_site: str, firefox: Browser) -> None:
    """So nobody is led to click in it."""
    for browser in (None, firefox):
        page = await windows.open(other_site, browser=browser)
        await expect(page.get_by_role("heading", name="Win!")).to_be_visible()
        await page.wait_for_timeout(300)
        [_, frame] = page.frames
        assert "Windsock" not in await frame.content()
    windows.faults.clear()
