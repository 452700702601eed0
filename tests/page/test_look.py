"""Each view for everyone: axe finds nothing in either theme, nothing is cut off in narrow and wide windows."""

import pytest
from playwright.async_api import Page, expect

from tests.page.accessibility import sticks_out, violations
from tests.page.conftest import Guarded
from tests.page.ground import Ground
from tests.page.windows import Windows

pytestmark = [pytest.mark.page, pytest.mark.asyncio(loop_scope="session")]

NARROW, WIDE = 390, 2560
RUN = "/dags/import_orders/runs/run_0"
VIEWS = {
    "DAGs": "/",
    "none like that": "/?search=none%20like%20that",
    "runs of a DAG": "/dags/nightly_report",
    "graph": "/dags/import_orders?tab=graph",
    "details": "/dags/import_orders?tab=details",
    "code": "/dags/import_orders?tab=code",
    "run": RUN,
    "failed run": "/dags/nightly_report/runs/run_0",
    "Gantt": f"{RUN}?tab=gantt",
    "graph of a run": f"{RUN}?tab=graph",
    "details of a run": f"{RUN}?tab=details",
    "task": f"{RUN}/tasks/extract",
    "latest runs": "/runs",
    "pools": "/pools",
    "status": "/status",
    "nothing": "/nope",
    "API": "/api/experimental/docs",
}
OF_MANY = {
    "1,000 DAGs": "/",
    "200 tasks": "/dags/wide",
    "graph of 200 tasks": "/dags/wide?tab=graph",
    "1,000 runs": "/dags/long",
    "no runs": "/dags/never_run",
    "latest of 1,000": "/runs",
}


async def check(page: Page, name: str) -> None:
    """Look at a view in both themes and all widths."""
    await expect(page.locator("main[aria-busy]")).to_have_count(0)
    await expect(page.get_by_role("heading", level=1).first).to_be_visible()
    for theme in ("light", "dark"):
        await page.emulate_media(color_scheme=theme)
        assert await violations(page) == "", f"{name}, {theme}"
    for width in (NARROW, WIDE, 1280):
        await page.set_viewport_size({"width": width, "height": 900})
        assert await sticks_out(page) == [], f"{name}, {width}"


@pytest.mark.parametrize("name", VIEWS)
async def test_views(windows: Windows, ground: Ground, name: str) -> None:
    """With a little to show."""
    await check(await windows.open(ground.url, VIEWS[name]), name)


@pytest.mark.parametrize("name", OF_MANY)
async def test_views_of_many(windows: Windows, crowd: str, name: str) -> None:
    """With very much to show, or nothing."""
    await check(await windows.open(crowd, OF_MANY[name]), name)


async def test_forms(windows: Windows, ground: Ground, guarded: Guarded) -> None:
    """Dialogs and the sign-in."""
    page = await windows.open(ground.url, "/dags/import_orders")
    await page.get_by_role("button", name="Trigger").first.click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await check(page, "trigger")
    page = await windows.open(ground.url, "/pools")
    await page.get_by_role("button", name="New pool").click()
    await check(page, "new pool")
    page = await windows.open(ground.url, "/dags/nightly_report/runs/run_0")
    await page.get_by_role("button", name="Clear and retry").click()
    await expect(page.get_by_role("dialog")).to_contain_text("run again")
    await check(page, "clear")
    for name, url in {"password": guarded.by_password, "token": guarded.by_token, "closed": guarded.closed}.items():
        await check(await windows.open(url), name)


async def test_the_theme_is_chosen_and_kept(windows: Windows, ground: Ground) -> None:
    """Whatever the system says."""
    page = await windows.open(ground.url, dark=True)
    background = "() => getComputedStyle(document.documentElement).backgroundColor"
    dark = await page.evaluate(background)
    await page.get_by_text("Everybody").click()
    await page.get_by_label("Theme").select_option("light")
    light = await page.evaluate(background)
    assert light != dark
    await page.reload()
    assert await page.evaluate(background) == light


async def test_times_in_the_zone_of_the_reader(windows: Windows, ground: Ground) -> None:
    """With UTC on hover; or in UTC, if the reader wants that."""
    page = await windows.open(ground.url, "/dags/import_orders/runs/run_0")
    time = page.locator("main time[datetime^='2024-01-01T00:00']").first
    await expect(time).to_contain_text("01:00")
    await expect(time).to_have_attribute("title", "2024-01-01 00:00:00 UTC")
    await page.get_by_text("Everybody").click()
    await page.get_by_label("Times").select_option("utc")
    await expect(time).to_contain_text("00:00")


async def test_states_are_told_by_shape_and_word(windows: Windows, ground: Ground) -> None:
    """Not by colour alone: each state's mark has a drawing of its own, and a name that is read aloud."""
    page = await windows.open(ground.url, "/dags/nightly_report")
    failed = page.locator("main [aria-label*=failed]").first
    await expect(failed).to_be_attached()
    page = await windows.open(ground.url, "/")
    squares = page.locator(".square")
    await expect(squares.first).to_be_visible()
    drawn = await squares.evaluate_all("all => all.map((one) => [one.className, one.querySelector('path').outerHTML])")
    looks = dict(drawn)
    assert len(looks) > 1
    assert len(set(looks.values())) == len(looks)
    for square in await squares.all():
        assert (await square.get_attribute("aria-label") or "").partition(":")[0] in {"success", "failed", "running"}
