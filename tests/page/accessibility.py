"""What a screen reader, a keyboard and a reader with poor sight need, as far as a program can tell (axe-core)."""

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

_AXE = Axe()
# The rules of WCAG 2.2 AA, and what axe calls best practice.
_OPTIONS = {"resultTypes": ["violations"]}


async def violations(page: Page) -> str:
    """Return what axe finds in the page as it is now; empty if it finds nothing."""
    found = await _AXE.run(page, options=_OPTIONS)
    return str(found.generate_report()) if found.violations_count else ""


async def sticks_out(page: Page) -> list[str]:
    """Return what nobody can reach in a window of this width: what makes the page scroll sideways, or is cut off."""
    found: list[str] = await page.evaluate(_STICKS_OUT)
    return found


# What is in a part that scrolls by itself can be reached.
_STICKS_OUT = """() => {
    const width = document.documentElement.clientWidth;
    const isScroller = (one) => one !== document.documentElement && /auto|scroll/.test(getComputedStyle(one).overflowX);
    const scrolls = (one) => isScroller(one) || (one.parentElement !== null && scrolls(one.parentElement));
    const faults = document.documentElement.scrollWidth > width ? [`the page is wider than ${width}`] : [];
    const cut = [...document.querySelectorAll("body *")].filter((one) => {
        const box = one.getBoundingClientRect();
        return box.width > 0 && box.right > width + 1 && one.checkVisibility() && !scrolls(one);
    });
    const tell = (one) => `${one.tagName}.${one.getAttribute("class") ?? ""}: ${one.textContent.slice(0, 40)}`;
    return [...faults, ...cut.slice(-5).map(tell)];
}"""
