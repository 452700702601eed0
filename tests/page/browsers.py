"""Debian's Chromium and Firefox ESR, driven by Playwright, which downloads none of its own."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

CHROMIUM = "/usr/bin/chromium"
FIREFOX = "/usr/bin/firefox-esr"
# The sandbox needs a user who is not root; nothing but our own page is opened.
_AS_ROOT = ["--no-sandbox"] if os.geteuid() == 0 else []


@asynccontextmanager
async def chromium(*arguments: str) -> AsyncIterator[Browser]:
    """Run Chromium while the block runs."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*_AS_ROOT, *arguments])
        yield browser
        await browser.close()


@asynccontextmanager
async def firefox() -> AsyncIterator[Browser]:
    """Run Firefox ESR while the block runs, over WebDriver BiDi, which it speaks without a program between."""
    async with async_playwright() as playwright:
        browser = await playwright.firefox.launch(channel="moz-firefox", executable_path=FIREFOX)
        yield browser
        await browser.close()
