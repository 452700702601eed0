"""Makes the pictures of the page in docs/images. `python -m scripts.screenshots`, `make screenshots`."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import click
from playwright.async_api import Browser, Page

from server.database.schema import initdb
from server.standalone.postgres import EmbeddedPostgres
from tests.page.browsers import chromium
from tests.page.ground import new_database
from tests.page.history import ORDERS, REPORT, some_weeks
from windsock.config import Dsn

FOLDER = Path(__file__).parents[1] / "docs" / "images"
MOST_BYTES = 150_000


async def _nothing(_page: Page) -> None:
    """Show what the address shows."""


async def _trigger(page: Page) -> None:
    await page.get_by_role("button", name="Trigger").first.click()
    await page.get_by_label("Conf (JSON)").fill('{\n  "shop": "Kraków",\n  "limit": 500,\n  "full": true\n}')


async def _newest_run(page: Page) -> None:
    await page.get_by_role("link", name=REPORT, exact=True).first.click()
    await page.locator("main a[href*='/runs/']").first.wait_for()
    address = await page.locator("main a[href*='/runs/nightly']").last.get_attribute("href")
    await page.goto(str(address).partition("/tasks/")[0])
    await page.get_by_role("tab", name="Gantt").wait_for()


async def _log(page: Page) -> None:
    await _newest_run(page)
    await page.get_by_role("link", name="Log of check_numbers").click()
    await page.locator(".log").wait_for()


class Picture(NamedTuple):
    """A view, and what is done in it before the picture is taken."""

    name: str
    path: str
    steps: Callable[[Page], Awaitable[None]] = _nothing
    width: int = 1280
    height: int = 720
    is_dark: bool = False


PICTURES = (
    Picture("page-dags", "/", height=620),
    Picture("page-dag", f"/dags/{REPORT}", height=580),
    Picture("page-run", "/", _newest_run, height=620),
    Picture("page-log", "/", _log, height=580),
    Picture("page-trigger", f"/dags/{ORDERS}", _trigger, height=860),
    Picture("page-graph-dark", f"/dags/{ORDERS}?tab=graph", height=560, is_dark=True),
    Picture("page-narrow", "/", width=390, height=760),
)


async def take(browser: Browser, url: str, picture: Picture, folder: Path) -> int:
    """Take one picture; its size in bytes."""
    context = await browser.new_context(
        base_url=url,
        viewport={"width": picture.width, "height": picture.height},
        color_scheme="dark" if picture.is_dark else "light",
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",
    )
    page = await context.new_page()
    await page.goto(picture.path)
    await page.locator("main h1").wait_for()
    await picture.steps(page)
    # Fonts, drawings and the sign of the live connection.
    await page.get_by_text("Live", exact=True).wait_for()
    await page.wait_for_timeout(1000)
    file = folder / f"{picture.name}.png"
    await page.screenshot(path=file)
    await context.close()
    return file.stat().st_size


async def make(folder: Path) -> None:
    """Make all pictures; raises ClickException for one that is too large."""
    with tempfile.TemporaryDirectory() as place:
        postgres = EmbeddedPostgres(Path(tempfile.mkdtemp(dir=place)))
        await postgres.start()
        try:
            async with (
                new_database(postgres, template=None) as dsn,
                chromium("--hide-scrollbars", "--lang=en-GB") as browser,
            ):
                await initdb(Dsn.parse(dsn))
                async with some_weeks(dsn, Path(place)) as url:
                    for picture in PICTURES:
                        size = await take(browser, url, picture, folder)
                        click.echo(f"{picture.name}.png: {size:,} bytes")
                        if size > MOST_BYTES:
                            raise click.ClickException(f"it may have {MOST_BYTES:,}")
        finally:
            await postgres.stop()


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=FOLDER)
def main(folder: Path) -> None:
    """Make the pictures in FOLDER."""
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(make(folder))


if __name__ == "__main__":
    main()
