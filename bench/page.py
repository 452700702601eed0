"""What the page costs those who look at it, and the service. `python -m bench.page`, `make bench-page`.

Chromium looks at a service of one process with 1,000 DAGs, in windows that share nothing.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

import aiohttp
import click
from playwright.async_api import Browser, Page, Response

from bench import cache
from bench.memory import resident
from bench.sides import Running, Side, running, windsock
from bench.works import API
from server.database.schema import initdb
from server.standalone.postgres import EmbeddedPostgres
from tests.page.browsers import chromium
from tests.page.ground import fill, new_database
from windsock.config import Dsn

_ROUNDS, _WINDOWS = 20, 100
_AT_A_TIME = 5
_LONG_RUN = "/dags/long"
# What the issue of the page is held against: bytes, milliseconds, and shares of a core.
BARS = {"first_load_bytes": 100_000, "usable_ms": 300.0, "idle_browser_percent": 1.0, "idle_server_percent": 1.0}
# When the first rows were there to be read, since the navigation began.
_USABLE = """
new MutationObserver((_, observer) => {
    if (document.querySelectorAll("main tbody tr").length < 3) return;
    observer.disconnect();
    requestAnimationFrame(() => { globalThis.usableAfter = performance.now(); });
}).observe(document, { childList: true, subtree: true });
"""
_USABLE_AFTER = """() => new Promise((done) => {
    const look = () => (globalThis.usableAfter ? done(globalThis.usableAfter) : setTimeout(look, 5));
    look();
})"""


async def first_load(browser: Browser, url: str) -> Mapping[str, int]:
    """Bytes of each answer, as sent, until the rows are there."""
    answers: list[Response] = []
    async with _window(browser, url) as page:
        page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - Playwright wants a function
        await _until_usable(page, "/")
        return {answer.url.removeprefix(url): await _sent(answer) for answer in answers}


async def _sent(answer: Response) -> int:
    headers = await answer.headers_array()
    return int(answer.headers.get("content-length", 0)) + sum(len(h["name"]) + len(h["value"]) + 4 for h in headers)


async def usable(browser: Browser, url: str, path: str, rounds: int) -> tuple[Sequence[float], Sequence[float]]:
    """Milliseconds until the rows are there: each time in a window that has nothing yet, and once more in the same."""
    first, again = [], []
    for _ in range(rounds):
        async with _window(browser, url) as page:
            first.append(await _until_usable(page, path))
            again.append(await _until_usable(page, path))
    return sorted(first), sorted(again)


async def idle(browser: Browser, target: Running, path: str, seconds: float) -> tuple[float, float]:
    """Percent of a core that a window costs the browser and the server while nothing happens."""
    async with _window(browser, target.url) as page:
        await _until_usable(page, path)
        await asyncio.sleep(3)
        before, served = await _cpu(browser), _server_cpu(target)
        await asyncio.sleep(seconds)
        shares = [await _cpu(browser) - before, _server_cpu(target) - served]
    return shares[0] / seconds * 100, shares[1] / seconds * 100


async def crowd(browser: Browser, target: Running, windows: int, seconds: float) -> Mapping[str, float]:
    """Open windows that stay open; what they cost the server while nothing happens, and while runs are triggered."""
    before = resident(target.pid)
    contexts = [await browser.new_context(base_url=target.url) for _ in range(windows)]
    gate = asyncio.Semaphore(_AT_A_TIME)

    async def open_one(number: int) -> None:
        async with gate:
            page = await contexts[number].new_page()
            await page.goto("/" if number % 2 else _LONG_RUN, wait_until="load")

    begun = perf_counter()
    await asyncio.gather(*(open_one(number) for number in range(windows)))
    opened = perf_counter() - begun
    await asyncio.sleep(5)
    quiet = await _served_while(target, asyncio.sleep(seconds))
    busy = await _served_while(target, _trigger(target.url, int(seconds)))
    for context in contexts:
        await context.close()
    return {
        "opened_s": opened,
        "server_mb": resident(target.pid) - before,
        "quiet_server_percent": quiet / seconds * 100,
        "busy_server_percent": busy / seconds * 100,
    }


async def _trigger(url: str, number: int) -> None:
    """Trigger a run a second."""
    async with aiohttp.ClientSession() as session:
        for _ in range(number):
            async with session.post(f"{url}{API}/dags/long/dag_runs", json={}) as answer:
                answer.raise_for_status()
            await asyncio.sleep(1)


async def _served_while(target: Running, work: Awaitable[None]) -> float:
    before = _server_cpu(target)
    await work
    return _server_cpu(target) - before


@asynccontextmanager
async def _window(browser: Browser, url: str) -> AsyncIterator[Page]:
    context = await browser.new_context(base_url=url)
    await context.add_init_script(_USABLE)
    yield await context.new_page()
    await context.close()


async def _until_usable(page: Page, path: str) -> float:
    await page.goto(path, wait_until="domcontentloaded")
    return float(await page.evaluate(_USABLE_AFTER))


async def _cpu(browser: Browser) -> float:
    """Seconds that all processes of the browser have worked."""
    session = await browser.new_browser_cdp_session()
    found = await session.send("SystemInfo.getProcessInfo")
    await session.detach()
    return sum(float(process["cpuTime"]) for process in found["processInfo"])


def _server_cpu(target: Running) -> float:
    """Seconds that all processes of the server have worked."""
    children = Path(f"/proc/{target.pid}/task/{target.pid}/children").read_text("ascii").split()
    return sum(_worked(pid) for pid in (str(target.pid), *children))


def _worked(pid: str) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def measure(postgres: EmbeddedPostgres, rounds: int, windows: int, seconds: float) -> None:
    """Measure all, and say it."""
    async with new_database(postgres, template=None) as dsn, chromium() as browser:
        await initdb(Dsn.parse(dsn))
        await fill(dsn)
        with running(Side("page", "the page", windsock(1, page="True")), dsn) as target:
            sizes = await first_load(browser, target.url)
            _tell("first load, bytes as sent", sum(sizes.values()), BARS["first_load_bytes"])
            for url, size in sorted(sizes.items(), key=lambda item: -item[1])[:5]:
                click.echo(f"    {size:>8,}  {url}")
            for when, times in zip(("", " again"), await usable(browser, target.url, "/", rounds), strict=True):
                _tell(f"usable{when} with 1,000 DAGs, ms, median", median(times), BARS["usable_ms"])
                _tell(f"usable{when} with 1,000 DAGs, ms, slowest", times[-1])
            for path in ("/", _LONG_RUN):
                of_browser, of_server = await idle(browser, target, path, seconds)
                _tell(f"idle {path}: percent of a core, browser", of_browser, BARS["idle_browser_percent"])
                _tell(f"idle {path}: percent of a core, server", of_server, BARS["idle_server_percent"])
            for name, value in (await crowd(browser, target, windows, seconds)).items():
                _tell(f"{windows} windows: {name}", value)


def _tell(what: str, value: float, bar: float | None = None) -> None:
    verdict = "" if bar is None else f"  ({'met' if value <= bar else 'MISSED'}: at most {bar:g})"
    click.echo(f"{what:<50} {value:>10,.1f}{verdict}")


@click.command()
@click.option("--rounds", default=_ROUNDS, show_default=True, help="How often the page is opened.")
@click.option("--windows", default=_WINDOWS, show_default=True, help="How many are open at once.")
@click.option("--seconds", default=60.0, show_default=True, help="How long each share of a core is measured.")
def main(rounds: int, windows: int, seconds: float) -> None:
    """Measure what the page costs."""
    cache.CACHE.mkdir(exist_ok=True)

    async def run() -> None:
        with tempfile.TemporaryDirectory(dir=cache.CACHE) as folder:
            postgres = EmbeddedPostgres(Path(folder))
            await postgres.start()
            try:
                await measure(postgres, rounds, windows, seconds)
            finally:
                await postgres.stop()

    asyncio.run(run())


if __name__ == "__main__":
    main()
