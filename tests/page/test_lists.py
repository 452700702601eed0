"""The lists: found, filtered, sorted and paged; pause; pools; what is empty; deep links and the back button."""

import asyncio
import re

import asyncpg
import pytest
from playwright.async_api import Page, Route, expect

from server.standalone.postgres import EmbeddedPostgres
from tests.live import live_server
from tests.page.conftest import Guarded
from tests.page.ground import Ground, new_database
from tests.page.test_sign_in import sign_in
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
    await expect(count).to_have_text("0 of 1,003 DAGs match")


async def test_what_is_asked_early(windows: Windows, crowd: str) -> None:
    """The list and its reader are asked for once, at once; if the first answer is lost, the list asks again."""
    page = await windows.open(crowd, "/api/experimental/test")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.partition("/experimental/")[2].partition("?")[0]))
    await page.goto("/", wait_until="commit")
    await expect(page.locator("h1 + .count")).to_have_text("1,003 DAGs")
    assert [asked.count(path) for path in ("whoami", "dags")] == [1, 1]
    await page.route("**/experimental/dags?*", lambda route: route.abort(), times=1)
    await page.reload()
    await expect(page.locator("h1 + .count")).to_have_text("1,003 DAGs")
    # What the address asks for is not what is asked early.
    await page.goto("/?paused=true&page=1")
    await expect(page.locator("h1 + .count")).to_have_text(re.compile(r"^\d{1,3} DAGs$"))


async def test_an_early_answer_that_comes_late(windows: Windows, crowd: str) -> None:
    """What somebody has chosen meanwhile stays; and a list that nobody can read says so, however long that takes."""
    page = await windows.open(crowd, "/api/experimental/test")
    answered = asyncio.Event()

    async def delay(route: Route) -> None:
        await answered.wait()
        await route.continue_()

    await page.route("**/experimental/dags?*", delay, times=1)
    await page.goto("/", wait_until="commit")
    await page.get_by_role("searchbox").fill("TEAM_7.JOB_00")
    await expect(page.locator("h1 + .count")).to_have_text("5 DAGs")
    async with page.expect_response(lambda answer: "offset=0" in answer.url and "search" not in answer.url):
        answered.set()
    await asyncio.sleep(0.5)
    # At once: two seconds later the list is read anew anyway.
    assert await page.locator("h1 + .count").inner_text() == "5 DAGs"

    async def fail(route: Route) -> None:
        await asyncio.sleep(3)
        await route.abort()

    await page.route("**/experimental/dags?*", fail)
    await page.goto("/?page=1", wait_until="commit")
    await expect(page.locator("main")).to_contain_text("cannot be reached", timeout=20_000)
    await page.unroute("**/experimental/dags?*")


async def test_odd_parameters(windows: Windows, crowd: str) -> None:
    """One that no list offers is as good as none."""
    page = await windows.open(crowd)
    for odd in ("order_by=evil", "state=evil", "paused=evil", "page=evil", "gone=&x=y"):
        await page.goto(f"/?{odd}")
        await expect(page.locator("h1 + .count"), odd).to_have_text(re.compile("DAG"))
        await expect(page.locator("h1")).to_have_text("DAGs")


async def test_a_filter_is_a_step_back(windows: Windows, crowd: str) -> None:
    """What is typed is none: nobody wants to go back letter by letter."""
    page = await windows.open(crowd)
    count = page.locator("h1 + .count")
    await page.get_by_role("combobox", name="Show").select_option("paused")
    await expect(count).not_to_have_text("1,003 DAGs")
    await page.get_by_role("searchbox").fill("team_7.job_00")
    await expect(count).to_have_text("1 DAG")
    await page.go_back()
    await expect(count).to_have_text("1,003 DAGs")
    await expect(page.get_by_role("searchbox")).to_have_value("")


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
    title = re.compile(r"no such page|no (DAG|run|task) nope", re.IGNORECASE)
    for path in (
        "/dags/nope",
        "/dags/import_orders/runs/nope",
        "/dags/import_orders/runs/run_0/tasks/nope",
        "/nope",
        "/dags/%00",
    ):
        await page.goto(path)
        await expect(page.get_by_role("heading", name=title)).to_be_visible()
        await expect(page.locator("main").get_by_role("link", name=re.compile("DAGs")).first).to_be_visible()
        await expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    await page.goto("/dags/import_orders/runs/nope")
    await page.get_by_role("link", name="The DAG import_orders").click()
    await expect(page).to_have_url(f"{ground.url}/dags/import_orders")


async def test_runs_and_the_end_of_a_dag_without_a_file(windows: Windows, crowd: str) -> None:
    """A run under way is shown beside a newer one; the DAG can be neither paused nor triggered, but deleted."""
    page = await windows.open(crowd, "/runs")
    runs = page.get_by_role("row").filter(has=page.get_by_role("link", name="left", exact=True))
    await expect(runs.locator(".run-id")).to_have_text(["older", "newer"])
    await page.get_by_role("combobox", name="State").select_option("running")
    await expect(runs.locator(".run-id")).to_have_text(["older"])
    await page.goto("/")
    await page.get_by_role("combobox", name="Show").select_option("without a file")
    row = page.get_by_role("row").filter(has_text="left")
    await expect(row.get_by_text("its file is gone")).to_be_visible()
    await row.get_by_role("link", name="left", exact=True).click()
    await expect(page.locator(".view-head").get_by_text("its file is gone")).to_be_visible()
    await expect(page.get_by_role("switch")).to_have_count(0)
    await expect(page.get_by_role("button", name="Trigger")).to_have_count(0)
    await page.get_by_role("button", name="Delete left").click()
    await expect(page.get_by_role("dialog")).to_contain_text("cannot be undone")
    await page.get_by_role("dialog").get_by_role("button", name="Delete the DAG").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("DAGs")
    await page.goto("/dags/left")
    await expect(page.get_by_role("heading", name="There is no DAG left.")).to_be_visible()


LEFT = """
INSERT INTO dag (dag_id, is_paused, is_subdag, is_active, fileloc, owners, schedule_interval, next_dagrun,
    next_dagrun_create_after)
VALUES ('left', false, false, false, '/dags/left.yaml', 'ops', '"@daily"', '2024-01-01T00:00Z', '2024-01-02T00:00Z')
"""


async def test_dags_without_a_file_alone(windows: Windows, postgres: EmbeddedPostgres) -> None:
    """They are not hidden as if there were none; with a file again, a run that is due is no next one."""
    async with new_database(postgres) as dsn, live_server(dsn, page="True") as url:
        server = await asyncpg.connect(dsn)
        await server.execute(LEFT)
        await server.execute("INSERT INTO slot_pool (pool, slots) VALUES ('shut', 0)")
        page = await windows.open(url)
        await expect(page.get_by_role("heading", name="There are no DAGs with a file")).to_be_visible()
        await page.get_by_role("link", name="Show the DAG whose file is gone").click()
        await expect(page.locator(".dag-id")).to_have_text(["left"])
        await server.execute("UPDATE dag SET is_active = true")
        await server.close()
        for path in ("/", "/dags/left"):
            await page.goto(path)
            due = page.get_by_text("catching up")
            await expect(due).to_have_attribute("title", re.compile("^Due: 2024-01-02"))
        await page.goto("/pools")
        await expect(page.get_by_role("row").filter(has_text="shut")).to_contain_text("no slots")


async def test_schedules_and_next_runs(windows: Windows, postgres: EmbeddedPostgres) -> None:
    """A distance is told in words wherever a schedule is; a run without a time waits until another has ended."""
    relative = '{"type": "relativedelta", "attrs": {"months": 1, "hours": 2, "day": 1}}'
    schedules = {
        '{"type": "timedelta", "attrs": {"days": 0, "seconds": 21600, "microseconds": 0}}': "every 6 h",
        '{"type": "timedelta", "attrs": {"days": 1, "seconds": 5400, "microseconds": 0}}': "every 1 d 1 h 30 min",
        relative: "every 1 month 2 h, day 1",
        '{"type": "timedelta", "attrs": null}': '{"type": "timedelta", "attrs": null}',
    }
    async with new_database(postgres) as dsn, live_server(dsn, page="True") as url:
        server = await asyncpg.connect(dsn)
        await server.execute(LEFT)
        await server.execute("UPDATE dag SET is_active = true, next_dagrun_create_after = NULL")
        page = await windows.open(url)
        for written, told in schedules.items():
            await server.execute("UPDATE dag SET schedule_interval = $1", written)
            await page.goto("/")
            await expect(page.locator("td.dag-schedule")).to_have_text(told)
            await expect(page.get_by_text("waits for a run to end")).to_have_attribute(
                "title", re.compile("2024-01-01")
            )
            await page.goto("/dags/left?tab=details")
            await expect(page.locator(".view-meta")).to_contain_text(f"Schedule: {told}")
            await expect(page.locator(".view-meta")).to_contain_text("Next run: waits for a run to end")
            await expect(page.get_by_role("tabpanel")).to_contain_text(told)
            await expect(page.get_by_role("tabpanel")).to_contain_text("a run has ended")
        await server.close()


async def test_the_page_of_the_api(windows: Windows, guarded: Guarded) -> None:
    """Its header is that of the others; the address says which endpoint is open."""
    page = await windows.open(guarded.by_password, "/api/experimental/docs")
    await expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    await page.get_by_role("link", name="Sign in").click()
    await sign_in(page, "bob")
    await expect(page.get_by_role("heading", name="The API")).to_be_visible()
    places = page.get_by_role("navigation", name="Main").get_by_role("link")
    await expect(places).to_have_text(["DAGs", "Runs", "Status", "API"])
    await expect(places.last).to_have_attribute("aria-current", "page")
    await page.locator("#trigger > summary").click()
    await expect(page).to_have_url(re.compile("#trigger$"))
    await page.reload()
    await expect(page.locator("#trigger")).to_have_attribute("open", "")
    await page.locator(".reader-name").click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Password")).to_be_visible()


async def test_who_may_change_nothing(windows: Windows, guarded: Guarded) -> None:
    """The switch says why it is faded, and no column is empty."""
    page = await windows.open(guarded.by_password)
    await sign_in(page, "ann")
    await expect(page.get_by_role("switch").first).to_have_attribute("title", re.compile("You may not"))
    await expect(page.get_by_role("columnheader").last).to_have_text("All runs")
    await page.goto("/pools")
    await expect(page.get_by_role("columnheader")).to_have_text(["Pool", "Slots", "Use"])
