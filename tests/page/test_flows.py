"""What people come for, as somebody does it who has never seen the page: by the words on it, and by keyboard alone."""

import json
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from tests.page.ground import Ground
from tests.page.windows import Windows

pytestmark = [pytest.mark.page, pytest.mark.asyncio(loop_scope="session")]

# How many times Tab at most, until one gives up.
PATIENCE = 60


@pytest_asyncio.fixture(loop_scope="session")
async def missing_numbers(ground: Ground) -> AsyncIterator[Ground]:
    """Have no file of the numbers when the test begins."""
    ground.numbers.unlink(missing_ok=True)
    yield ground
    ground.numbers.unlink(missing_ok=True)


async def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until this has the focus; it is then to be seen."""
    await expect(target).to_be_visible()
    for _ in range(PATIENCE):
        if await target.evaluate("one => one === document.activeElement"):
            await expect(target).to_be_in_viewport()
            return
        await page.keyboard.press("Tab")
    pytest.fail(f"Tab does not lead to {target}")


async def press(page: Page, target: Locator) -> None:
    """Go to a button or link and press Enter."""
    await tab_to(page, target)
    await page.keyboard.press("Enter")


@pytest.mark.parametrize("by_keyboard", [False, True], ids=["by mouse", "by keyboard"])
async def test_trigger_find_the_fault_and_repeat(windows: Windows, missing_numbers: Ground, by_keyboard: bool) -> None:  # noqa: FBT001 - a parameter
    """A run with conf fails; its log says why; once that is mended, clearing it makes it succeed."""
    page = await windows.open(missing_numbers.url)

    async def do(target: Locator) -> None:
        await (press(page, target) if by_keyboard else target.click())

    await do(page.get_by_role("link", name="nightly_report", exact=True))
    await do(page.get_by_role("button", name="Trigger").first)
    dialog = page.get_by_role("dialog")
    conf = dialog.get_by_label("Conf (JSON)")
    if by_keyboard:
        await tab_to(page, conf)
        await page.keyboard.press("Control+A")
        await page.keyboard.type('{"day": 7')
    else:
        await conf.fill('{"day": 7')
    await expect(dialog.get_by_role("status")).to_contain_text("Line 1")
    await conf.press("End")
    await page.keyboard.type("}")
    await expect(dialog.get_by_role("status")).to_contain_text("Valid JSON")
    await do(dialog.get_by_role("button", name="Trigger", exact=True))

    await expect(page.get_by_role("heading", level=1)).to_contain_text("manual__")
    await expect(page.get_by_text('{"day":7}').first).to_be_visible()
    await expect(page.locator("main").get_by_text("One task failed or was stopped.")).to_be_visible()
    run_url = page.url
    await do(page.get_by_role("link", name="Log of fetch"))
    await expect(page.locator(".log")).to_contain_text("numbers.csv is missing")

    missing_numbers.numbers.touch()
    await do(page.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="manual__"))
    await expect(page).to_have_url(run_url)
    await do(page.get_by_role("button", name="Clear and retry…").first)
    await expect(dialog.get_by_text("3 tasks run again:")).to_be_visible()
    await do(dialog.get_by_role("button", name=re.compile("^Clear")))
    await expect(page.locator(".summary").get_by_text("success")).to_be_visible()

    await do(page.get_by_role("link", name="fetch", exact=True))
    await page.locator(".log-bar").get_by_label("Try").select_option("1 of 2")
    await expect(page).to_have_url(f"{run_url}/tasks/fetch?try=1")
    await page.reload()
    await expect(page.locator(".log")).to_contain_text("numbers.csv is missing")


async def test_params_and_conf_are_one(windows: Windows, ground: Ground) -> None:
    """The fields of the params write into the conf, and follow it; what the server refuses is said in the dialog."""
    page = await windows.open(ground.url, "/dags/import_orders")
    await page.get_by_role("button", name="Trigger").first.click()
    dialog = page.get_by_role("dialog")
    conf = dialog.get_by_label("Conf (JSON)")
    assert json.loads(await conf.input_value()) == {"shop": "Kraków", "limit": 100}
    await dialog.get_by_label("limit").fill("many")
    await expect(dialog.get_by_text("This is not a number")).to_be_visible()
    await expect(dialog.get_by_role("status")).to_contain_text('The field of "limit" is not valid')
    await dialog.get_by_label("shop").fill('Łódź "2"')
    assert json.loads(await conf.input_value())["shop"] == 'Łódź "2"'
    await conf.fill('{"shop": "Gdynia", "limit": 12345678901234567890}')
    await expect(dialog.get_by_label("shop")).to_have_value("Gdynia")
    await expect(dialog.get_by_role("status")).to_have_text("Valid JSON")
    await dialog.get_by_label("Run id").fill("run_1")
    await dialog.get_by_role("button", name="Trigger", exact=True).click()
    await expect(dialog.get_by_role("alert")).to_contain_text("run_1")
    await dialog.get_by_label("Run id").fill("by_page")
    await dialog.get_by_role("button", name="Trigger", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("by_page")
    await expect(page.get_by_text("12345678901234567890").first).to_be_visible()


async def test_stop_mark_and_delete(windows: Windows, ground: Ground) -> None:
    """Each question says what will happen, and cancelling does nothing; the log follows while the task runs."""
    run_id = "to_be_stopped"
    page = await windows.open(ground.url, "/dags/long_watch")
    await page.get_by_role("button", name="Trigger").first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Run id").fill(run_id)
    await dialog.get_by_role("button", name="Trigger", exact=True).click()
    await page.get_by_role("link", name="watch", exact=True).click()
    log = page.locator(".log")
    await expect(log).to_contain_text("line 3")
    await expect(log).to_contain_text("line 20")
    await page.go_back()
    await page.get_by_role("button", name="Stop…").click()
    await expect(dialog).to_contain_text("1 task is ended")
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(page.locator(".summary")).to_contain_text("running")
    await page.get_by_role("button", name="Stop…").click()
    await dialog.get_by_role("button", name="Stop the run").click()
    await expect(page.locator(".summary")).to_contain_text("failed")
    await page.get_by_role("button", name="Mark success…").first.click()
    await dialog.get_by_role("button", name="Mark as success").click()
    await expect(page.locator(".summary")).to_contain_text("success")
    await page.get_by_role("button", name="Delete…").click()
    await expect(dialog).to_contain_text(run_id)
    await dialog.get_by_role("button", name="Delete the run").click()
    await expect(page).to_have_url(f"{ground.url}/dags/long_watch")
    await expect(page.get_by_text(run_id)).to_have_count(0)


async def test_the_whole_flow_in_firefox(windows: Windows, missing_numbers: Ground, firefox: Browser) -> None:
    """The other browser can do the same."""
    page = await windows.open(missing_numbers.url, "/dags/nightly_report", browser=firefox)
    await page.get_by_role("button", name="Trigger").first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Run id").fill("from_firefox")
    await dialog.get_by_role("button", name="Trigger", exact=True).click()
    await page.get_by_role("link", name="Log of fetch").click()
    await expect(page.locator(".log")).to_contain_text("numbers.csv is missing")
