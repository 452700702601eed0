"""Signing in by the form, without a dialog of the browser; and what is not offered to those who may not do it."""

import pytest
from playwright.async_api import Browser, Page, Request, Response, expect

from tests.integration.passwords import PASSWORD
from tests.page.conftest import Guarded
from tests.page.windows import Windows

pytestmark = [pytest.mark.page, pytest.mark.asyncio(loop_scope="session")]


async def sign_in(page: Page, user: str, password: str = PASSWORD) -> None:
    """Fill in the form, and send it."""
    await page.get_by_label("User name").fill(user)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in", exact=True).click()


# The status of an answer that the browser may take from its cache.
_KEPT = "fetch('/api/experimental/dags/import_orders/code', {cache: 'force-cache'}).then(({status}) => status)"


async def test_by_password(windows: Windows, guarded: Guarded, firefox: Browser) -> None:
    """A deep link leads to the form and then to where it leads; a reload stays signed in; signing out ends it."""
    challenges = set[str]()

    def challenge(answer: Response) -> None:
        challenges.add(answer.headers.get("www-authenticate", "").partition(" ")[0])

    for browser in (None, firefox):
        page = await windows.open(guarded.by_password, "/pools?x=1", browser=browser)
        page.on("response", challenge)
        await sign_in(page, "alice", "wrong")
        await expect(page.get_by_role("alert").filter(has_text="wrong")).to_be_visible()
        await sign_in(page, "alice")
        await expect(page.get_by_role("heading", name="Pools")).to_be_visible()
        assert page.url == f"{guarded.by_password}/pools?x=1"
        await page.reload()
        await expect(page.get_by_role("heading", name="Pools")).to_be_visible()
        await page.get_by_text("alice").first.click()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("Password")).to_be_visible()
        await page.goto("/")
        await expect(page.get_by_label("Password")).to_be_visible()
        assert await page.context.cookies() == []
    # One that browsers know would open their own dialog.
    assert challenges == {"", "Windsock-Session"}


async def test_all_tabs_have_one_user(windows: Windows, guarded: Guarded) -> None:
    """Who signs out or in does so in all tabs; what was read before is not in the browser any more."""
    page = await windows.open(guarded.by_password, "/pools")
    await sign_in(page, "alice")
    await expect(page.locator(".reader-name")).to_have_text("alice")
    other = await page.context.new_page()
    windows.faults.watch(other)
    await other.goto("/status")
    await expect(other.locator(".reader-name")).to_have_text("alice")
    listen = (
        "() => { window.heard = []; new BroadcastChannel('windsock.session /').onmessage = (e) => heard.push(e.data) }"
    )
    await other.evaluate(listen)
    await page.reload()
    await expect(page.locator(".reader-name")).to_have_text("alice")
    assert await other.evaluate("heard") == []
    assert await page.evaluate(_KEPT) == 200
    await page.locator(".reader-name").click()
    await page.get_by_role("button", name="Sign out").click()
    for tab in (page, other):
        await expect(tab.get_by_label("Password")).to_be_visible()
    assert await page.evaluate(_KEPT) == 401
    await sign_in(page, "ann")
    await expect(other.locator(".reader-name")).to_have_text("ann")
    await expect(other).to_have_url(f"{guarded.by_password}/status")
    await page.goto("/sign-in")
    await sign_in(page, "bob")
    await expect(other.locator(".reader-name")).to_have_text("bob")


async def test_by_token(windows: Windows, guarded: Guarded) -> None:
    """The form asks for a token alone; afterwards no request carries it, nor does the browser keep it."""
    page = await windows.open(guarded.by_token)
    await expect(page.get_by_label("Password")).to_have_count(0)
    await page.get_by_label("Token").fill("windsock_wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert").filter(has_text="not").first).to_be_visible()
    await page.get_by_label("Token").fill(guarded.token)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("link", name="import_orders", exact=True)).to_be_visible()
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request))  # noqa: PLW0108 - Playwright wants a function
    await page.reload()
    await expect(page.get_by_role("link", name="import_orders", exact=True)).to_be_visible()
    assert sent
    assert not [request.url for request in sent if "authorization" in request.headers]
    kept = await page.evaluate("() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert guarded.token not in kept


async def test_nobody_may_call(windows: Windows, guarded: Guarded) -> None:
    """Under deny_all the page says so, and asks for nothing."""
    page = await windows.open(guarded.closed, "/dags/nightly_report")
    await expect(page.get_by_role("heading", name="This API is closed")).to_be_visible()
    await expect(page.locator("input")).to_have_count(0)


OFFERS = ("Trigger", "Clear", "Stop", "Mark", "Delete", "New pool", "Change")


async def offers(page: Page, path: str) -> set[str]:
    """Go there; return which of the words of changes are on its buttons and links."""
    await expect(page.get_by_label("Password")).to_have_count(0)
    await page.goto(path)
    await expect(page.locator("main table, main .log").first).to_be_visible()
    controls = page.locator("button:visible:enabled, a.button:visible, [role=switch]:visible:enabled")
    texts = await controls.all_inner_texts()
    switches = await page.locator("main [role=switch]:visible:enabled").count()
    return {word for word in OFFERS if any(text.startswith(word) for text in texts)} | (
        {"pause"} if switches else set()
    )


async def test_who_may_only_read_is_offered_nothing(windows: Windows, guarded: Guarded) -> None:
    """Nor does anything that is offered to those who may fail for want of a permission."""
    run = "/dags/nightly_report/runs/run_0"
    paths = ("/", "/pools", "/dags/nightly_report", run, f"{run}/tasks/fetch")
    reader = await windows.open(guarded.by_password)
    await sign_in(reader, "ann")
    admin = await windows.open(guarded.by_password)
    await sign_in(admin, "alice")
    seen = set[str]()
    for path in paths:
        assert await offers(reader, path) == set(), path
        seen |= await offers(admin, path)
    assert seen == {"Trigger", "Clear", "Mark", "Delete", "New pool", "Change", "pause"}


async def test_who_may_see_one_dag(windows: Windows, guarded: Guarded) -> None:
    """Other DAGs are not there, in lists nor by their address; pools and import errors are not offered."""
    page = await windows.open(guarded.by_password)
    await sign_in(page, "bob")
    await expect(page.get_by_role("link", name="import_orders", exact=True)).to_be_visible()
    await expect(page.get_by_role("link", name="nightly_report", exact=True)).to_have_count(0)
    await expect(page.get_by_text("cannot be loaded")).to_have_count(0)
    await expect(page.get_by_role("navigation").get_by_role("link", name="Pools")).to_have_count(0)
    await page.goto("/dags/nightly_report")
    await expect(page.get_by_role("heading", name="You may not see this")).to_be_visible()
    await page.goto("/status")
    await expect(page.get_by_text("All files that you may read are loaded")).to_be_visible()


async def test_who_may_do_nothing(windows: Windows, guarded: Guarded) -> None:
    """A user without a permission is told so."""
    page = await windows.open(guarded.by_password)
    await sign_in(page, "nobody")
    await expect(page.get_by_text("permission").first).to_be_visible()
