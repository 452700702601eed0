"""Beside the tables of Airflow 1.10, 2 and 3, with the privileges that the documents give."""

import re

import pytest
from playwright.async_api import expect

from tests.page.accessibility import violations
from tests.page.windows import Windows

pytestmark = [pytest.mark.page, pytest.mark.asyncio(loop_scope="session")]


async def test_the_page_beside_an_airflow(windows: Windows, beside: str) -> None:
    """Each view shows what there is; a run is triggered, and changed as far as this Airflow lets one."""
    page = await windows.open(beside)
    await expect(page.get_by_role("link", name="d", exact=True)).to_be_visible()
    await expect(page.get_by_text("1,000").first).to_be_visible()
    await page.get_by_role("link", name="d", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("d")
    for tab in ("Graph", "Details", "Code", "Runs"):
        await page.get_by_role("tab", name=tab).click()
        await expect(page.get_by_role("tabpanel")).not_to_be_empty()
        assert await violations(page) == "", tab
    await page.get_by_role("button", name="Trigger").first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Conf (JSON)").fill('{"n": 6}')
    await dialog.get_by_label("Run id").fill("of_the_page")
    await dialog.get_by_role("button", name="Trigger", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("of_the_page")
    await expect(page.get_by_text('{"n":6}').first).to_be_visible()
    await page.get_by_role("button", name="Stop…").click()
    await dialog.get_by_role("button", name="Stop the run").click()
    await expect(page.locator(".summary")).to_contain_text("failed")
    await page.goto("/dags/d/runs/run_1")
    await expect(page.get_by_role("link", name="t", exact=True)).to_be_visible()
    assert await violations(page) == ""
    await page.goto("/dags/d/runs/run_1/tasks/t")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("t")
    for path, text in {"/runs": "of_the_page", "/pools": "default_pool", "/status": "scheduler"}.items():
        await page.goto(path)
        await expect(page.locator("main")).to_contain_text(re.compile(text))
        assert await violations(page) == "", path
