"""Windows that somebody watches: what a person would not see, but should never happen, is a fault."""

from contextlib import AsyncExitStack

from playwright.async_api import Browser, ConsoleMessage, Dialog, Page, Response, expect

# Told to Python at once, because the page that it happened in may be gone when the test ends.
_TELL = """
document.addEventListener("securitypolicyviolation", (event) =>
    console.error(`Content-Security-Policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""
# In milliseconds; what takes longer on a machine with much else to do is no fault.
_PATIENCE = 30_000
expect.set_options(timeout=_PATIENCE)
# What a browser says of an answer that is an error; tests look at the answers themselves.
_ANSWERS = ("Failed to load resource", "EventSource")


class Faults(list[str]):
    """What went wrong in pages: exceptions, violations of the policy, dialogs of the browser, 5xx answers, messages."""

    def watch(self, page: Page) -> None:
        """Collect from this page too."""
        page.on("pageerror", lambda error: self.append(f"exception: {error}"))
        page.on("console", self._message)
        page.on("dialog", self._dialog)
        page.on("response", self._response)

    def _message(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(_ANSWERS):
            self.append(f"{message.type}: {message.text}")

    async def _dialog(self, dialog: Dialog) -> None:
        self.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def _response(self, response: Response) -> None:
        if response.status >= 500:
            self.append(f"{response.status}: {response.url}")


class Windows:
    """Opens windows of a browser, closed with the stack; each has cookies and a size of its own."""

    def __init__(self, browser: Browser, stack: AsyncExitStack) -> None:
        self.faults = Faults()
        self._browser = browser
        self._stack = stack

    async def open(
        self,
        url: str,
        path: str = "/",
        *,
        browser: Browser | None = None,
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
    ) -> Page:
        """Open the page at this path of the service; later paths may be relative, too."""
        context = await (browser or self._browser).new_context(
            base_url=url,
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            locale="en-GB",
            timezone_id="Europe/Warsaw",
        )
        self._stack.push_async_callback(context.close)
        context.set_default_timeout(_PATIENCE)
        await context.add_init_script(_TELL)
        page = await context.new_page()
        self.faults.watch(page)
        await page.goto(path)
        return page
