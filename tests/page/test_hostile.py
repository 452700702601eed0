"""Whatever somebody has written into the database is text in the page: no element, no script, no address, no dialog."""

import pytest
from playwright.async_api import Page, expect

from tests.page.hostile import MARK, PAYLOADS, address
from tests.page.windows import Windows

pytestmark = [pytest.mark.page, pytest.mark.asyncio(loop_scope="session")]

# What no view of ours ever has; the page's own scripts have addresses.
FOREIGN = (
    "iframe, object, embed, base, script:not([src]), style, main img,"
    " [onerror], [onload], [onfocus], [srcdoc], [style*=url],"
    " a[href^='javascript:' i], a[href*='evil.invalid']:not([href^='/']), b:text-is('bold')"
)


async def settled(page: Page) -> None:
    """Wait until the view is there, and see that it has nothing of the payloads' making."""
    await expect(page.locator("main[aria-busy]")).to_have_count(0)
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await expect(page.get_by_role("heading", level=1)).not_to_have_text("Something went wrong")
    assert await page.locator(FOREIGN).count() == 0


async def test_dags_and_their_runs(windows: Windows, hostile: str) -> None:
    """Names, descriptions, owners, tags, params, conf, code and operators."""
    page = await windows.open(hostile)
    for text in PAYLOADS:
        await page.goto(address("dags", text))
        await settled(page)
        await expect(page.get_by_role("heading", level=1)).to_contain_text(text.strip())
        for tab in await page.get_by_role("tab").all():
            await tab.click()
            await settled(page)
        run = ("dags", text, "runs", text)
        for path in (address(*run), address(*run, "tasks", text)):
            await page.goto(path)
            await settled(page)


async def test_the_lists(windows: Windows, hostile: str) -> None:
    """Every row, import errors too."""
    page = await windows.open(hostile)
    for path in ("/", "/runs", "/pools", "/status"):
        await page.goto(path)
        await settled(page)
        if path != "/status":
            await expect(page.get_by_text(MARK).first).to_be_visible()


async def test_the_log(windows: Windows, hostile: str) -> None:
    """Its colours are shown, its markup is text."""
    page = await windows.open(hostile, address("dags", MARK, "runs", MARK, "tasks", MARK))
    await settled(page)
    await expect(page.get_by_text("<script>alert(2)</script>").first).to_be_visible()
    await settled(page)


async def test_the_address(windows: Windows, hostile: str) -> None:
    """What stands in the address is not taken for markup either, and leads to no other site."""
    page = await windows.open(hostile, "/status")
    for path in (
        "/?search=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&tag=%22%3E%3Csvg%20onload%3Dalert(1)%3E",
        "/sign-in?next=javascript:alert(1)",
        "/sign-in?next=//evil.invalid/",
        "/dags/%3Cscript%3Ealert(1)%3C%2Fscript%3Enone",
        "/admin/airflow/graph?dag_id=%3Cimg%20src=x%20onerror=alert(1)%3Enone&execution_date=%3Cb%3E",
    ):
        await page.goto(path)
        await expect(page.locator("main[aria-busy]")).to_have_count(0)
        assert await page.locator(FOREIGN).count() == 0
        assert page.url.startswith(hostile)
