"""What happens on the server is seen without a reload; a connection that is lost shows, and heals."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.acceptance.service import free_port
from tests.live import live_server
from tests.page.ground import Ground
from tests.page.windows import Windows

pytestmark = [pytest.mark.page, pytest.mark.asyncio(loop_scope="session")]


async def trigger(ground: Ground, dag_id: str, run_id: str) -> None:
    """Trigger a run as another client does."""
    url = f"{ground.url}/api/experimental/dags/{dag_id}/dag_runs"
    async with aiohttp.ClientSession() as session, session.post(url, json={"run_id": run_id}) as answer:
        assert answer.status == 200


async def test_lists_and_views_follow(windows: Windows, ground: Ground) -> None:
    """A run that somebody else triggers appears in each view, and ends there."""
    dags, runs, dag = [await windows.open(ground.url, path) for path in ("/", "/runs", "/dags/housekeeping")]
    for page in (dags, runs, dag):
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    await trigger(ground, "housekeeping", "of_another_client")
    square = dags.get_by_role("link", name="success: of_another_client")
    await expect(square).to_be_visible()
    await expect(runs.get_by_role("link", name="of_another_client")).to_be_visible()
    await expect(dag.get_by_label("of_another_client").first).to_be_attached()


async def test_a_run_that_another_client_deletes(windows: Windows, ground: Ground) -> None:
    """Then nothing can be done with it or its tasks; a link leads to its DAG. Of an ended run an action tells so."""
    for dag_id, task_id, state in (("long_watch", "watch", "running"), ("housekeeping", "sweep", "success")):
        await trigger(ground, dag_id, "to_be_deleted")
        path = f"/dags/{dag_id}/runs/to_be_deleted"
        pages = [await windows.open(ground.url, path + rest) for rest in ("", f"/tasks/{task_id}")]
        for page in pages:
            await expect(page.locator(".summary").get_by_text(state)).to_be_visible()
            await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        url = f"{ground.url}/api/experimental/dags/{dag_id}/dag_runs/run_id=to_be_deleted"
        async with aiohttp.ClientSession() as session, session.delete(url) as answer:
            assert answer.status == 200
        for page in pages:
            if state == "success":
                await page.get_by_role("button", name="Clear and retry…").click()
                await page.get_by_role("button", name="Cancel").click()
            await expect(page.get_by_role("heading", level=1)).to_have_text("This run was deleted")
            await expect(page.locator(".actions-bar")).to_have_count(0)
        await pages[0].get_by_role("link", name=f"Runs of {dag_id}").click()
        await expect(pages[0]).to_have_url(f"{ground.url}/dags/{dag_id}")


class Restarted:
    """A service that is stopped and started again, at the same address."""

    def __init__(self, dsn: str, stack: AsyncExitStack) -> None:
        self._dsn, self._port, self._stack = dsn, free_port(), stack

    async def start(self) -> str:
        """Serve; the URL."""
        return await self._stack.enter_async_context(live_server(self._dsn, page="True", port=str(self._port)))

    async def stop(self) -> None:
        """Close every connection."""
        await self._stack.aclose()


@pytest_asyncio.fixture(loop_scope="session")
async def service(ground: Ground) -> AsyncIterator[Restarted]:
    """Make a service on the database of `ground` that may be stopped."""
    async with AsyncExitStack() as stack:
        yield Restarted(ground.bench.dsn, stack)


async def test_a_lost_connection_heals(windows: Windows, ground: Ground, service: Restarted) -> None:
    """The page says that it is lost, keeps what it shows, and catches up once the server is back."""
    page = await windows.open(await service.start(), "/runs")
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    await service.stop()
    await expect(page.get_by_text("The connection to the server is lost.", exact=False)).to_be_visible()
    await expect(page.get_by_role("link", name="import_orders")).to_be_visible()
    await trigger(ground, "housekeeping", "while_it_was_away")
    await service.start()
    await expect(page.get_by_role("link", name="while_it_was_away")).to_be_visible()
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    await expect(page.locator("#offline")).to_be_hidden()


# A headless browser shows all of its pages; this one is shown when it is told to be.
_HIDDEN = """
let hidden = true;
Object.defineProperty(Document.prototype, "hidden", { get: () => hidden });
window.show = () => { hidden = false; document.dispatchEvent(new Event("visibilitychange")); };
"""


async def test_a_page_that_was_opened_in_the_background(windows: Windows, ground: Ground) -> None:
    """It takes no connection, of which browsers have six to one server, until somebody looks at it; then it follows."""
    page = await windows.open(ground.url, "/pools")
    await page.context.add_init_script(_HIDDEN)
    streams: list[str] = []
    page.on("request", lambda request: streams.append(request.url) if "/events" in request.url else None)
    await page.goto("/runs")
    await expect(page.get_by_role("link", name="import_orders")).to_be_visible()
    await page.wait_for_load_state("networkidle")
    assert streams == []
    await page.evaluate("show()")
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    assert len(streams) == 1
    await trigger(ground, "housekeeping", "after_it_was_shown")
    await expect(page.get_by_role("link", name="after_it_was_shown")).to_be_visible()
