"""The lists: found, filtered, sorted and paged; pause; pools; what is empty; deep links and the back button."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.page.ground import Ground
from tests.page.windows import Windows

pytestmark = [pytest.mark.page, pytest.mark.asyncio(loop_scope="session")]


async def ids(page: Page) -> list[str]:
    """Return the ids of the DAGs that are listed."""
    return await page.locator(".dag-id a").all_inner_texts()


async def test_search_filter_and_back(windows: Windows, crowd: str) -> None:
    """Each leaves its mark in the address, so that a reload and the back button find it again."""
    page = await windows.open(crowd)
    count = page.locator("h1 + .count")
    await expect(count).to_have_text("1,003 DAGs")
    await page.get_by_role("searchbox").fill("TEAM_7.JOB_00")
    await expect(count).to_have_text("5 DAGs")
    assert await ids(page) == [f"team_7.job_{n:04}" for n in (7, 27, 47, 67, 87)]
    await page.get_by_role("combobox", name="Show").select_option("paused")
    await expect(count).to_have_text("1 DAG")
    assert await ids(page) == ["team_7.job_0007"]
    await page.reload()
    await expect(count).to_have_text("1 DAG")
    await expect(page.get_by_role("searchbox")).to_have_value("TEAM_7.JOB_00")
    await page.get_by_role("link", name="team_7.job_0007", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("team_7.job_0007")
    await page.go_back()
    await expect(count).to_have_text("1 DAG")
    await page.get_by_role("searchbox").fill("there is none like that")
    await expect(page.locator("main")).to_contain_text(re.compile("no DAG", re.IGNORECASE))


async def test_filters_by_state_tag_and_owner(windows: Windows, crowd: str) -> None:
    """The state is that of the newest run; a click on a tag or an owner shows theirs."""
    page = await windows.open(crowd)
    count = page.locator("h1 + .count")
    await page.get_by_role("combobox", name="Last run").select_option("failed")
    await expect(count).not_to_have_text("1,003 DAGs")
    await expect(page.locator(".dag-runs .square:last-child").first).to_have_class(re.compile("state-failed"))
    newest = await page.locator(".dag-runs .squares").evaluate_all("all => all.map((one) => one.lastChild.className)")
    assert newest
    assert all("state-failed" in name for name in newest)
    await page.goto("/?tag=tag_3")
    await expect(count).to_have_text(re.compile(r"^3\d DAGs$"))
    await page.get_by_role("button", name="owner_3").first.click()
    await expect(page).to_have_url(re.compile("owner=owner_3"))
    await expect(count).to_have_text(re.compile(r"^1\d DAGs$"))
    assert all(number % 12 == 3 for number in [int(one.rpartition("_")[2]) for one in await ids(page)])


async def test_sorting_and_paging(windows: Windows, crowd: str) -> None:
    """By the server, over all pages."""
    page = await windows.open(crowd)
    await expect(page.locator("h1 + .count")).to_have_text("1,003 DAGs")
    await page.get_by_role("button", name="DAG", exact=False).first.click()
    await expect(page.locator(".dag-id a").first).to_have_text("wide")
    pages = page.get_by_role("navigation", name="Pages")
    first = await ids(page)
    await pages.get_by_role("button", name="Next").click()
    await expect(pages).to_contain_text(re.compile(rf"^{len(first) + 1}.{2 * len(first)} of 1,003"))
    assert not set(first) & set(await ids(page))
    await page.go_back()
    await expect(page.locator(".dag-id a").first).to_have_text("wide")


async def test_pause_by_keyboard(windows: Windows, ground: Ground) -> None:
    """The switch says what it does, and does it."""
    page = await windows.open(ground.url)
    switch = page.get_by_role("switch", name="housekeeping is active")
    await expect(switch).to_be_checked()
    await switch.press("Space")
    await expect(page.get_by_text(re.compile("^housekeeping is paused"))).to_be_visible()
    await expect(switch).not_to_be_checked()
    assert await ground.bench.pool.fetchval("SELECT is_paused FROM dag WHERE dag_id = 'housekeeping'")
    await page.reload()
    await expect(switch).not_to_be_checked()
    await switch.press("Enter")
    await expect(switch).to_be_checked()
    await expect(page.get_by_text(re.compile("^housekeeping is active"))).to_be_visible()


async def test_pools(windows: Windows, ground: Ground) -> None:
    """One is created, changed and deleted; what the server refuses is said in the form."""
    page = await windows.open(ground.url, "/pools")
    dialog = page.get_by_role("dialog")
    await page.get_by_role("button", name="New pool").click()
    await dialog.get_by_label("Name").fill("x" * 256)
    await dialog.get_by_label("Slots").fill("3")
    await dialog.get_by_role("button", name="Create").click()
    await expect(dialog.get_by_role("alert")).not_to_be_empty()
    await dialog.get_by_label("Name").fill("of the page")
    await dialog.get_by_role("button", name="Create").click()
    row = page.get_by_role("row").filter(has_text="of the page")
    await expect(row).to_contain_text("3")
    await row.get_by_role("button", name="Change").click()
    await dialog.get_by_label("Slots").fill("17")
    await dialog.get_by_role("button", name="Save").click()
    await expect(row).to_contain_text("17")
    await row.get_by_role("button", name="Delete").click()
    await dialog.get_by_role("button", name="Delete the pool").click()
    await expect(row).to_have_count(0)
    await expect(page.get_by_role("button", name="Delete default_pool")).to_have_count(0)


async def test_import_errors(windows: Windows, ground: Ground) -> None:
    """On top, with the file and the line."""
    page = await windows.open(ground.url)
    await expect(page.get_by_role("heading", name="A DAG file cannot be loaded")).to_be_visible()
    await expect(page.get_by_text("broken.yaml:7:").first).to_be_visible()


async def test_the_url_of_a_run_leads_to_it(windows: Windows, ground: Ground) -> None:
    """`dag_run_url` is an address of Airflow's; it becomes that of the run's view."""
    page = await windows.open(
        ground.url, "/admin/airflow/graph?dag_id=import_orders&execution_date=2024-01-01T00:00:00%2B00:00"
    )
    await expect(page.get_by_role("heading", level=1)).to_have_text("run_0")
    assert page.url == f"{ground.url}/dags/import_orders/runs/run_0"


async def test_what_is_not_there(windows: Windows, ground: Ground) -> None:
    """Each says what is missing, and leads back."""
    page = await windows.open(ground.url, "/dags/nope")
    title = re.compile(r"nothing here|no such page|no task nope", re.IGNORECASE)
    for path in ("/dags/nope", "/dags/import_orders/runs/nope", "/dags/import_orders/runs/run_0/tasks/nope", "/nope"):
        await page.goto(path)
        await expect(page.get_by_role("heading", name=title)).to_be_visible()
        await expect(page.locator("main").get_by_role("link", name=re.compile("DAGs")).first).to_be_visible()
